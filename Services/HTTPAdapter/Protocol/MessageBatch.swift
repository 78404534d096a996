// SPDX-License-Identifier: Apache-2.0
import Messaging
import NIOCore

/// A body of several messages: newline-delimited JSON, one document a line, each a message of its own.
///
/// A line that is an array is a SenML pack (`application/senml+json`), whose records belong together; any other is plain JSON (`application/json`). Empty
/// lines are passed over, a carriage return before the line feed is white space.
struct MessageBatch {
    struct Message {
        /// From 1.
        let line: Int
        let contentType: ContentType
        /// A slice of the body.
        let payload: ByteBuffer
    }

    /// More would keep the bus's answer waiting for too long, and a thousand in one request lose nothing against ten thousand.
    static let maximumMessages = 1_000

    let messages: [Message]

    /// Whether a payload of that type is a batch.
    static func isBatch(_ contentType: ContentType) -> Bool {
        switch contentType {
        case .other("application/x-ndjson"), .other("application/ndjson"): true
        default: false
        }
    }

    /// Splits; what the lines hold is not checked.
    init(_ body: ByteBuffer) throws(Refusal) {
        var messages: [Message] = []
        var rest = body
        var line = 0
        while rest.readableBytes > 0 {
            line += 1
            let view = rest.readableBytesView
            let length = view.firstIndex(of: 0x0A).map { $0 - view.startIndex } ?? view.count
            guard let payload = rest.readSlice(length: length) else { break }
            rest.moveReaderIndex(forwardBy: min(1, rest.readableBytes))
            let first = payload.readableBytesView.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }
            guard let first else { continue }
            guard messages.count < Self.maximumMessages else {
                throw Refusal(
                    status: 413, reason: "batch-too-long",
                    "A batch has at most \(Self.maximumMessages) messages.", line: line)
            }
            let isPack = first == UInt8(ascii: "[")
            messages.append(Message(line: line, contentType: isPack ? .senmlJSON : .json, payload: payload))
        }
        guard !messages.isEmpty else {
            throw Refusal(status: 400, reason: "batch-empty", "There is no message in the batch.")
        }
        self.messages = messages
    }
}

/// The proof that all messages of a batch are on disk.
struct BatchReceipt {
    var first: UInt64
    var last: UInt64
    var count: Int
    /// All of them had been accepted before.
    var isDuplicate: Bool
}
