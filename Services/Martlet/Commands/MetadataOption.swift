// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `--metadata`
struct MetadataOption: ParsableArguments {
    @Option(help: ArgumentHelp("A JSON object with anything else.", valueName: "json"))
    var metadata: String?

    /// - Throws: ``CommandFailure`` where it is no JSON object.
    func member() throws -> (String, JSONValue?) { ("metadata", try metadata.map(Self.object)) }

    private static func object(_ text: String) throws -> JSONValue {
        guard let value = try? JSONParser.parse(text), value.members != nil else {
            throw CommandFailure.usage(
                "--metadata is no JSON object", advice: "for example: --metadata '{\"floor\": 2}'")
        }
        return value
    }
}
