// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What one may say of a thing or channel.
struct AttributeOptions: ParsableArguments {
    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag; may be repeated.", valueName: "tag"))
    var tags: [String] = []
    @Option(help: ArgumentHelp("A JSON object with anything else.", valueName: "json"))
    var metadata: String?

    /// - Throws: ``CommandFailure`` where the metadata are no JSON object.
    func members(name: String?) throws -> [(String, JSONValue?)] {
        [
            ("name", name.map(JSONValue.string)), ("tags", tags.isEmpty ? nil : .strings(tags)),
            ("metadata", try metadata.map(Self.object)),
        ]
    }

    private static func object(_ text: String) throws -> JSONValue {
        guard let value = try? JSONParser.parse(text), value.members != nil else {
            throw CommandFailure.usage(
                "--metadata is no JSON object", advice: "for example: --metadata '{\"floor\": 2}'")
        }
        return value
    }
}
