// SPDX-License-Identifier: Apache-2.0
import HTTPKit

/// JSON schemas for the OpenAPI document.
enum MessageSchemas {
    private static let number: JSONValue = ["type": "number"]
    private static let boolean: JSONValue = ["type": "boolean"]
    private static let seconds: JSONValue = ["type": "number", "description": "Seconds since 1970."]

    static let parameters: [QueryParameter] = [
        QueryParameter("offset", "How many to leave out.", schema: ["type": "integer", "minimum": 0, "default": 0]),
        QueryParameter(
            "limit", "How many at most.", schema: ["type": "integer", "minimum": 1, "maximum": 1000, "default": 10]),
        QueryParameter(
            "cursor",
            "Where the page before ended: its `next_cursor`. Not together with offset; what is stored meanwhile does not shift the pages."
        ),
        QueryParameter(
            "total", "False: do not count all that match; counting ends at 1,000,000.",
            schema: ["type": "boolean", "default": true]),
        QueryParameter("dir", "By time: `desc` newest first.", schema: ["type": "string", "enum": ["desc", "asc"]]),
        QueryParameter(
            "format", "SenML records, JSON documents, or everything else.",
            schema: ["type": "string", "enum": ["messages", "json", "blobs"], "default": "messages"]),
        QueryParameter("subtopic", "Only this subtopic, `a.b` or `a/b`."),
        QueryParameter("publisher", "Only from this thing.", schema: .uuidSchema),
        QueryParameter("protocol", "Only by this protocol: `http`, `mqtt`, `coap`, `ws`."),
        QueryParameter("name", "Only this SenML name."),
        QueryParameter("v", "Only this numeric value; 0 counts.", schema: number),
        QueryParameter(
            "comparator", "How `v` is compared: the record's value is equal, less, …",
            schema: ["type": "string", "enum": ["eq", "lt", "le", "gt", "ge"], "default": "eq"]),
        QueryParameter("vs", "Only this string value."),
        QueryParameter("vb", "Only this boolean value.", schema: boolean),
        QueryParameter("vd", "Only this data value, base64url."),
        QueryParameter("from", "Not before this time, seconds since 1970.", schema: number),
        QueryParameter("to", "Before this time (itself left out), seconds since 1970.", schema: number),
    ]

    private static let message = JSONValue.objectSchema(
        [
            "channel": .uuidSchema, "subtopic": .stringSchema, "publisher": .uuidSchema, "protocol": .stringSchema,
            "name": .stringSchema, "unit": .stringSchema, "time": seconds, "update_time": number, "value": number,
            "string_value": .stringSchema, "bool_value": boolean, "data_value": .stringSchema, "sum": number,
            "created": seconds, "content_type": .stringSchema,
            "payload": ["description": "The document (json), or base64 (blobs)."],
        ], required: ["channel", "publisher", "protocol"])

    static let page = JSONValue.objectSchema(
        [
            "offset": .integerSchema, "limit": .integerSchema, "format": .stringSchema, "total": .integerSchema,
            "total_is_minimum": ["const": true, "description": "There are this many or more: counting ended here."],
            "next_cursor": .stringSchema, "time_unit": ["const": "s"], "messages": .arraySchema(of: message),
        ], required: ["limit", "format", "messages"])
}
