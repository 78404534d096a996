// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// A live connection on its way from a request to a stream. Used on its event loop only.
final class LiveOpening {
    enum Kind {
        case webSocket(WebSocketHandshake)
        case eventStream
    }

    let kind: Kind
    /// With the filter as subtopic.
    let path: MessagePath
    let resumesAfter: UInt64?
    /// What the client's messages are unless they say so themselves.
    let contentType: ContentType
    private(set) var access: LiveAccess?
    private(set) var listener: LiveListener?
    private var stream: (any LiveStream)?
    /// The right went before there was a stream to end.
    private(set) var withdrawal: ServiceError?
    private var isOver = false

    init(kind: Kind, path: MessagePath, resumesAfter: UInt64?, contentType: ContentType) {
        self.kind = kind
        self.path = path
        self.resumesAfter = resumesAfter
        self.contentType = contentType
    }

    var status: Int {
        switch kind {
        case .webSocket: 101
        case .eventStream: 200
        }
    }

    /// Whether the client could send.
    var publishes: Bool {
        if case .webSocket = kind { true } else { false }
    }

    private var format: LiveFormat {
        switch kind {
        case .webSocket(let handshake): handshake.format
        case .eventStream: .events
        }
    }

    /// The right is known. One who may only send has no listener.
    func authorized(_ access: LiveAccess) {
        self.access = access
        guard access.subscribes else { return }
        listener = LiveListener(
            channel: access.channel, filter: SubtopicFilter(path), format: format, resumesAfter: resumesAfter)
    }

    func started(_ stream: any LiveStream) { self.stream = stream }

    func withdrawn(_ error: ServiceError) {
        guard !isOver else { return }
        guard let stream else {
            withdrawal = withdrawal ?? error
            return
        }
        stream.end(.withdrawn(error))
    }

    /// The connection has ended, or never became a stream: gives back what it holds. May be called again.
    func close(_ live: LiveLoop) {
        isOver = true
        access?.cancel()
        if let listener { live.leave(listener) }
        stream = nil
    }
}
