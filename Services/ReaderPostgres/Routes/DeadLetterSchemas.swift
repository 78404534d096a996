// SPDX-License-Identifier: Apache-2.0
import HTTPKit

/// JSON schemas for the OpenAPI document.
enum DeadLetterSchemas {
    private static let time: JSONValue = ["type": "number", "description": "Since 1970, in `time_unit`."]
    private static let base64: JSONValue = ["type": "string", "contentEncoding": "base64"]

    private static let letter = JSONValue.objectSchema(
        [
            "channel": .uuidSchema,
            "stream": ["type": "string", "format": "uuid", "description": "Of which log of the bus the number is."],
            "sequence": ["type": "integer", "description": "The message's number in the bus's log."],
            "record": [
                "type": "integer", "description": "Which record of the SenML pack, from 0; else the whole message.",
            ],
            "reason": ["type": "string", "description": "A stable slug: `null-character`, `database-22003`, …"],
            "message": ["type": "string", "description": "The reason in a sentence."],
            "refused": time, "created": time, "subtopic": .stringSchema, "publisher": .uuidSchema,
            "protocol": .stringSchema, "content_type": .stringSchema, "payload": base64,
            "envelope": [
                "type": "string", "contentEncoding": "base64",
                "description":
                    "In the place of all that comes from it, where the message in the bus's log cannot be read.",
            ],
        ], required: ["channel", "stream", "sequence", "reason", "message", "refused"])

    static let page = JSONValue.objectSchema(
        [
            "offset": .integerSchema, "limit": .integerSchema, "total": .integerSchema,
            "total_is_exact": ["const": false, "description": "Counting ended at `total`: there are so many or more."],
            "next_cursor": .stringSchema, "time_unit": .stringSchema, "dead_letters": .arraySchema(of: letter),
        ], required: ["limit", "time_unit", "dead_letters"])
}
