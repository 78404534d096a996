// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore

/// What a request is answered with; it becomes bytes only when its turn on the connection has come.
enum Answer {
    /// 202: the message is on disk.
    case accepted(PublishReceipt)
    /// 202 to a batch: all of its messages are on disk.
    case acceptedBatch(BatchReceipt)
    case refused(Refusal)
    case document(Document)
    /// 204 with `Allow`, to OPTIONS.
    case options(allow: String)
    /// The connection becomes a WebSocket (101) or a stream of events (200).
    case live(LiveOpening)

    struct Document {
        var status = 200
        var contentType: String
        var body: ByteBuffer
    }

    var status: Int {
        switch self {
        case .accepted, .acceptedBatch: 202
        case .refused(let refusal): refusal.status
        case .document(let document): document.status
        case .options: 204
        case .live(let opening): opening.status
        }
    }
}
