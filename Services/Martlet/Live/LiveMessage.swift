// SPDX-License-Identifier: Apache-2.0

/// A live message's document as rows: SenML's records one by one, anything else as it is.
enum LiveMessage {
    static func rows(_ message: JSONValue) -> [JSONValue] {
        guard message["content_type"]?.text == "application/senml+json",
            let records = SenMLPack.records(message["payload"], created: message["created"])
        else { return [message] }
        let shared = ["subtopic", "publisher"].map { ($0, message[$0]) }
        return records.map { record in
            .document(
                [
                    ("time", record.time.map(JSONValue.number)), ("name", .string(record.name)),
                    ("value", record.value), ("unit", record.unit.map(JSONValue.string)),
                ] + shared)
        }
    }
}
