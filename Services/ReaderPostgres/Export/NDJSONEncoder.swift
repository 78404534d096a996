// SPDX-License-Identifier: Apache-2.0
import Core

/// A JSON object a line, each as in `messages` of a page.
struct NDJSONEncoder: ExportEncoder {
    let channel: ChannelID
    let unit: TimeUnit

    func begin(_ output: inout [UInt8]) {}

    func append(_ messages: [StoredMessage], to output: inout [UInt8]) {
        var writer = JSONWriter(bytes: output)
        output = []
        for message in messages {
            writer.write(message, of: channel, in: unit)
            writer.endLine()
        }
        output = writer.bytes
    }

    func end(_ output: inout [UInt8]) {}
}
