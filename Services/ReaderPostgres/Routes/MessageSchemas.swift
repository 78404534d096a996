// SPDX-License-Identifier: Apache-2.0
import HTTPKit

/// JSON schemas for the OpenAPI document.
enum MessageSchemas {
    private static let number: JSONValue = ["type": "number"]
    private static let boolean: JSONValue = ["type": "boolean"]
    private static let time: JSONValue = ["type": "number", "description": "Since 1970, in `time_unit`."]

    static let message = JSONValue.objectSchema(
        [
            "channel": .uuidSchema, "subtopic": .stringSchema, "publisher": .uuidSchema, "protocol": .stringSchema,
            "name": .stringSchema, "unit": .stringSchema, "time": time, "update_time": number,
            "value": ["type": ["number", "null"], "description": "null: an interval without a record."],
            "string_value": .stringSchema, "bool_value": boolean, "data_value": .stringSchema, "sum": number,
            "created": time, "content_type": .stringSchema,
            "payload": ["description": "The document (json), or base64 (blobs)."],
            "count": ["type": "integer", "description": "Of an aggregation: how many records went into the value."],
            "value_time": ["type": "number", "description": "Of an aggregation: when the first or last record was."],
        ], required: ["channel"])

    static let page = JSONValue.objectSchema(
        [
            "offset": .integerSchema, "limit": .integerSchema, "format": .stringSchema, "total": .integerSchema,
            "total_is_exact": ["const": false, "description": "Counting ended at `total`: there are so many or more."],
            "next_cursor": .stringSchema, "time_unit": .stringSchema, "aggregation": .stringSchema,
            "interval": .stringSchema, "step": ["type": "number", "description": "The interval, in `time_unit`."],
            "messages": .arraySchema(of: message),
        ], required: ["limit", "format", "time_unit", "messages"])
}
