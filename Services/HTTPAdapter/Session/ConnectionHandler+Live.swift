// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore
import NIOHTTP1
import NIOWebSocket
import Observability

/// Requests that turn the connection into a WebSocket or a stream of events.
extension ConnectionHandler {
    /// Names in the pipeline.
    static let arrivalName = "arrival"
    static let decoderName = "http"

    func open(_ head: HTTPRequestHead, _ fields: RequestFields, number: UInt64) throws(Refusal) {
        let (opening, caller) = try opening(head, fields)
        // It is the connection's last answer: what comes behind it is not HTTP, or never answered.
        exchanges[exchanges.index(before: exchanges.endIndex)].keepsAlive = false
        phase = .finishing
        self.opening = opening
        let address = ChannelAddress(opening.path)
        let authorizer = loop.authorizer
        let publishes = opening.publishes
        let eventLoop = loop.eventLoop
        let bound = NIOLoopBound((self, opening), eventLoop: eventLoop)
        // A task for an opening, never for a message; connections bound how many.
        Task {
            let result: Result<LiveAccess, ServiceError>
            do throws(ServiceError) {
                let access = try await authorizer.authorize(caller, address, publishes: publishes) { error in
                    eventLoop.execute { bound.value.1.withdrawn(error) }
                }
                result = .success(access)
            } catch {
                result = .failure(error)
            }
            eventLoop.execute { [result] in
                let (connection, opening) = bound.value
                connection.authorized(opening, number, result)
            }
        }
    }

    private func opening(
        _ head: HTTPRequestHead, _ fields: RequestFields
    ) throws(Refusal) -> (LiveOpening, LiveCaller) {
        let path: MessagePath
        do {
            path = try MessagePath.subscribe(head.uri, notation: .http)
        } catch {
            throw Refusal(status: error == .unknownPath ? 404 : 400, reason: error.reason, error.message)
        }
        let query = try LiveQuery(target: head.uri)
        let kind: LiveOpening.Kind
        var authorization = fields.authorization
        var resumesAfter = query.after
        // A stream has no Upgrade (RFC 9113 section 8.6), and the extended CONNECT of RFC 8441 is not offered.
        if carrier == .connection, WebSocketHandshake.isWanted(head.headers) {
            let handshake = try WebSocketHandshake(head)
            authorization = authorization ?? handshake.authorization
            kind = .webSocket(handshake)
        } else if Self.accepts(EventStream.contentType, head.headers) {
            kind = .eventStream
            // The field counts more: a browser that connects again sends it, and the query of the first time.
            if let field = head.headers.first(name: "last-event-id"), !field.isEmpty {
                resumesAfter = try LiveQuery.sequence(field)
            }
        } else {
            throw Refusal(
                status: 406, reason: "live-not-asked-for",
                "Messages are followed with 'Accept: text/event-stream' or 'Upgrade: websocket', and published with POST."
            )
        }
        var contentType = query.contentType ?? .senmlJSON
        if query.contentType == nil, let field = fields.contentType {
            guard let type = ContentType(mediaType: field) else {
                throw Refusal(
                    status: 415, reason: "content-type-unusable",
                    "The Content-Type is not a media type ('type/subtype').")
            }
            contentType = type
        }
        do throws(ServiceError) {
            let caller = try LiveCaller(authorization: authorization ?? query.authorization)
            return (
                LiveOpening(kind: kind, path: path, resumesAfter: resumesAfter, contentType: contentType), caller
            )
        } catch {
            throw Refusal(error)
        }
    }

    private static func accepts(_ mediaType: String, _ headers: HTTPHeaders) -> Bool {
        headers[canonicalForm: "accept"].contains { range in
            ASCII.trimmed(range.prefix { $0 != ";" }).lowercased() == mediaType
        }
    }

    private func authorized(_ opening: LiveOpening, _ number: UInt64, _ result: Result<LiveAccess, ServiceError>) {
        switch result {
        case .failure(let error): answer(number, .refused(Refusal(error)))
        case .success(let access):
            guard isAwaited(number), self.opening === opening else { return access.cancel() }
            opening.authorized(access)
            guard let listener = opening.listener else { return answer(number, .live(opening)) }
            listener.onJoined = { [self] result in
                switch result {
                case .success: answer(number, .live(opening))
                case .failure(let error): answer(number, .refused(Refusal(error)))
                }
            }
            loop.live.join(listener)
        }
    }

    /// Its turn has come: the connection becomes the opening's.
    func handOver(_ opening: LiveOpening) {
        guard let context else { return }
        self.opening = nil
        phase = .handingOver
        exchanges.removeAll()
        let loop = loop
        let pipeline = context.pipeline.syncOperations
        if carrier == .stream { return handOverStream(opening, pipeline) }
        // The decoder goes first, and not at once: it may be in the middle of the read that brought the request.
        pipeline.removeHandler(name: Self.decoderName).assumeIsolated().whenComplete { [self] result in
            do {
                try result.get()
                guard phase == .handingOver else { throw ChannelError.alreadyClosed }
                let connection = makeConnection(opening)
                loop.replace(self, by: connection)
                pipeline.removeHandler(name: Self.arrivalName, promise: nil)
                pipeline.removeHandler(self, promise: nil)
                try add(connection, opening, to: pipeline)
            } catch {
                opening.close(loop.live)
                context.close(promise: nil)
            }
        }
    }

    private func makeConnection(_ opening: LiveOpening) -> any LiveConnection {
        switch opening.kind {
        case .webSocket(let handshake): WebSocketHandler(loop: loop, opening: opening, handshake: handshake)
        case .eventStream: EventStreamHandler(loop: loop, opening: opening, carrier: carrier)
        }
    }

    private func add(
        _ connection: any LiveConnection, _ opening: LiveOpening, to pipeline: ChannelPipeline.SynchronousOperations
    ) throws {
        if let webSocket = connection as? WebSocketHandler {
            let decoder = WebSocketFrameDecoder(maxFrameSize: webSocket.maximumMessageBytes)
            try pipeline.addHandler(WebSocketMeter(webSocket))
            try pipeline.addHandler(ByteToMessageHandler(decoder))
        }
        try pipeline.addHandler(connection)
    }
}

/// A connection that streams.
protocol LiveConnection: LiveStream, ServedConnection, ChannelHandler {}
