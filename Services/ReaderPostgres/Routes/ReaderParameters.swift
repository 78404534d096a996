// SPDX-License-Identifier: Apache-2.0
import HTTPKit

/// Query parameters, for the OpenAPI document.
enum ReaderParameters {
    private static let number: JSONValue = ["type": "number"]
    private static let boolean: JSONValue = ["type": "boolean"]

    static let messages = paging + [total(default: true), order, direction] + filters + aggregation
    static let export =
        [
            QueryParameter(
                "as", "What to write it in; wins over `Accept`.",
                schema: ["type": "string", "enum": choices(ExportForm.self), "default": "ndjson"]),
            QueryParameter(
                "dir", "`asc` is oldest first; SenML is always so.",
                schema: ["type": "string", "enum": ["asc", "desc"], "default": "asc"]),
        ] + filters
    static let latest = paging + [total(default: false)] + filters
    static let deadLetters =
        paging + [total(default: false), direction, sequence] + [
            QueryParameter("reason", "Only those refused for this reason."),
            QueryParameter("publisher", "Only from this thing.", schema: .uuidSchema),
        ] + times

    private static let paging: [QueryParameter] = [
        QueryParameter("offset", "How many to leave out.", schema: ["type": "integer", "minimum": 0, "default": 0]),
        QueryParameter(
            "limit", "How many at most.", schema: ["type": "integer", "minimum": 1, "maximum": 1000, "default": 10]),
        QueryParameter(
            "cursor",
            "Where the page before ended: its `next_cursor`. Not together with offset; what is stored meanwhile does not shift the pages."
        ),
    ]

    private static func total(default value: Bool) -> QueryParameter {
        QueryParameter(
            "total", "Whether to count all that match; counting ends at 1,000,000.",
            schema: ["type": "boolean", "default": .bool(value)])
    }

    private static let order = QueryParameter(
        "order", "By what the list is sorted; all but `time` (`created`) are paged by offset only.",
        schema: ["type": "string", "enum": choices(MessageQuery.Order.self), "default": "time"])

    static let direction = QueryParameter(
        "dir", "Which way: by time, `desc` is newest first.",
        schema: ["type": "string", "enum": ["desc", "asc"], "default": "desc"])

    static let filters: [QueryParameter] =
        [
            QueryParameter(
                "format", "SenML records, JSON documents, or everything else.",
                schema: ["type": "string", "enum": choices(MessageFilter.Format.self), "default": "messages"]),
            QueryParameter("subtopic", "Only this subtopic, `a.b` or `a/b`."),
            QueryParameter("publisher", "Only from this thing.", schema: .uuidSchema),
            QueryParameter("protocol", "Only by this protocol: `http`, `mqtt`, `coap`, `ws`."),
            QueryParameter("name", "Only this SenML name."),
            QueryParameter("v", "Only this numeric value; 0 counts.", schema: number),
            QueryParameter(
                "comparator", "How `v` is compared: the record's value is equal, less, …",
                schema: ["type": "string", "enum": choices(MessageFilter.Comparator.self), "default": "eq"]),
            QueryParameter("vs", "Only this string value."),
            QueryParameter("vb", "Only this boolean value.", schema: boolean),
            QueryParameter("vd", "Only this data value, base64url."),
        ] + [sequence] + times

    private static let sequence = QueryParameter(
        "sequence", "Only the message with this number in the bus's log (`Martlet-Sequence`).",
        schema: ["type": "integer", "minimum": 1])

    private static let times: [QueryParameter] = [
        QueryParameter("from", "Not before this time since 1970, in `time_unit`.", schema: number),
        QueryParameter("to", "Before this time since 1970 (itself left out), in `time_unit`.", schema: number),
        QueryParameter(
            "time_unit", "What every time is counted in, those of the question too.",
            schema: ["type": "string", "enum": choices(TimeUnit.self), "default": "s"]),
    ]

    private static let aggregation: [QueryParameter] = [
        QueryParameter(
            "aggregation",
            "Sum up the records by intervals and names; needs `from`. In any case. All but `count`, `first` and `last` take numeric values only.",
            schema: ["type": "string", "enum": choices(AggregationQuery.Function.self)]),
        QueryParameter(
            "interval", "How long the intervals are: `10s`, `5m`, `1h30m`, `250ms`. At most 100,000 of them.",
            schema: ["type": "string", "default": "1s"]),
        QueryParameter(
            "group", "By name, or by name and publisher.",
            schema: ["type": "string", "enum": choices(AggregationQuery.Grouping.self), "default": "name"]),
        QueryParameter(
            "gaps", "Also list intervals without a record, for each name that has records in any.",
            schema: ["type": "boolean", "default": false]),
    ]

    static func choices<Value: RawRepresentable & CaseIterable>(_: Value.Type) -> JSONValue
    where Value.RawValue == String {
        .array(Value.allCases.map { .string($0.rawValue) })
    }
}
