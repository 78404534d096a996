// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore

/// What a request is answered with; it becomes bytes only when its turn on the connection has come.
enum Answer {
    /// 202: the message is on disk.
    case accepted(PublishReceipt)
    case refused(Refusal)
    case document(Document)
    /// 204 with `Allow`, to OPTIONS.
    case options(allow: String)

    struct Document {
        var status = 200
        var contentType: String
        var body: ByteBuffer
    }

    var status: Int {
        switch self {
        case .accepted: 202
        case .refused(let refusal): refusal.status
        case .document(let document): document.status
        case .options: 204
        }
    }
}
