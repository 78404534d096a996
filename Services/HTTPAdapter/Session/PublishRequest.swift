// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Messaging
import NIOCore

/// A publish on its way in: what its head said, the body so far, and whether it is allowed.
///
/// It goes to the bus once the body is complete *and* the right is known; the two come in either order.
final class PublishRequest {
    enum Authorization {
        case asked
        case granted(Grant)
    }

    /// Which exchange of the connection it is.
    let number: UInt64
    let path: MessagePath
    let contentType: ContentType
    let idempotencyKey: IdempotencyKey?
    let traceparent: String?
    /// What Content-Length announced; nil for a chunked body.
    let announcedBytes: Int?
    var authorization = Authorization.asked
    private(set) var body = ByteBuffer()
    private var ownsBody = false
    var isComplete = false

    init(
        number: UInt64, path: MessagePath, contentType: ContentType, idempotencyKey: IdempotencyKey?,
        traceparent: String?, announcedBytes: Int?
    ) {
        self.number = number
        self.path = path
        self.contentType = contentType
        self.idempotencyKey = idempotencyKey
        self.traceparent = traceparent
        self.announcedBytes = announcedBytes
    }

    /// Adds what arrived. The first piece is kept as it is, without a copy: most messages come whole in one read.
    func append(_ piece: ByteBuffer) {
        if body.readableBytes == 0 {
            body = piece
            ownsBody = false
        } else {
            own()
            body.writeImmutableBuffer(piece)
        }
    }

    /// Copies the body out of the connection's read buffer, which it would otherwise keep alive (64 KiB for perhaps ten bytes) while the rest arrives
    /// or the right is asked for.
    func own() {
        guard !ownsBody else { return }
        var copy = ByteBuffer()
        // Room for what was announced, but not on a mere promise of a mebibyte.
        copy.reserveCapacity(max(body.readableBytes, min(announcedBytes ?? 0, 16 << 10)))
        copy.writeImmutableBuffer(body)
        body = copy
        ownsBody = true
    }

    func dropBody() {
        body = ByteBuffer()
        ownsBody = false
    }
}
