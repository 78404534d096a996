// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What one may say of a thing or channel.
struct AttributeOptions: ParsableArguments {
    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag; may be repeated.", valueName: "tag"))
    var tags: [String] = []
    @OptionGroup var metadata: MetadataOption

    /// - Throws: ``CommandFailure`` where the metadata are no JSON object.
    func members(name: String?) throws -> [(String, JSONValue?)] {
        [
            ("name", name.map(JSONValue.string)), ("tags", tags.isEmpty ? nil : .strings(tags)),
            try metadata.member(),
        ]
    }
}
