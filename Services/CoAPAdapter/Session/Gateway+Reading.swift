// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore

// GET: the last value, and the beginning and end of an observation.
extension Gateway {
    /// Values of the Observe option of a request (RFC 7641 section 2).
    private enum Observe {
        static let register: UInt32 = 0
        static let deregister: UInt32 = 1
    }

    /// Seconds for which a last value that nobody observes may be taken for the newest.
    private static let maxAge: UInt32 = 1

    func read(
        _ request: CoAPRequest, _ path: MessagePath, _ target: RequestTarget, _ exchange: ExchangeID
    ) throws(Refusal) {
        if request.options.observe == Observe.deregister { deregister(exchange) }
        if let accept = request.options.accept, !Representation.isKnown(accept) { throw .notAcceptable(accept) }
        let caller = try caller(target, request)
        authorize(caller, ChannelAddress(path), .subscribe) { [self] result in
            switch result {
            case .failure(let error): refuse(exchange, Refusal(error))
            case .success(let grant):
                vouched(for: request.peer)
                if request.options.observe == Observe.register, mayObserve(request.peer) {
                    register(
                        Registration(request: request, exchange: exchange, path: path, caller: caller, grant: grant))
                } else {
                    readLast(request, path, grant, exchange)
                }
            }
        }
    }

    private func mayObserve(_ peer: PeerAddress) -> Bool {
        // Those that wait for the stream count, too.
        let ofPeer = observers.count(of: peer) + registrations.count { $0.request.peer == peer }
        guard observers.count + registrations.count < settings.maximumObservers,
            ofPeer < settings.maximumObserversOfPeer
        else {
            metrics.ignored("observers-maximum")
            return false
        }
        return true
    }

    // MARK: The last value

    private func readLast(_ request: CoAPRequest, _ path: MessagePath, _ grant: Grant, _ exchange: ExchangeID) {
        do throws(Refusal) {
            // A block of what was begun before.
            if let block = request.options.block2,
                let next = try slices.next(BodyAssembly.Key(request), block, now: EndpointLoop.now())
            {
                return respond(exchange, next)
            }
        } catch {
            return refuse(exchange, error)
        }
        lastContent(path, grant.channel, request.options.accept) { [self] result in
            switch result {
            case .success(let content?): respond(exchange, content, to: request, observe: nil)
            case .success(nil): refuse(exchange, .nothingStored)
            case .failure(let refusal): refuse(exchange, refusal)
            }
        }
    }

    /// What was stored last under the path, in the form that is wanted.
    func lastContent(
        _ path: MessagePath, _ channel: ChannelID, _ accept: UInt16?,
        completion: @escaping (Result<Content?, Refusal>) -> Void
    ) {
        guard case .exactly(let subtopic) = SubtopicFilter(path) else {
            guard path.subtopic.isEmpty else { return completion(.failure(Refusal(PathError.wildcard))) }
            return lastContent(of: nil, channel, accept, completion)
        }
        lastContent(of: subtopic, channel, accept, completion)
    }

    private func lastContent(
        of subtopic: String?, _ channel: ChannelID, _ accept: UInt16?,
        _ completion: @escaping (Result<Content?, Refusal>) -> Void
    ) {
        guard readsInFlight < settings.maximumReads else { return completion(.failure(.overloaded)) }
        readsInFlight += 1
        let inbox = loop.inbox
        let bound = ThreadBound((self, completion), inbox)
        let reader = environment.reader
        // One task for a question to the database, never for a message; `maximumReads` bounds how many.
        Task {
            let result: Result<LastMessage?, ServiceError>
            do throws(ServiceError) {
                result = .success(try await reader.lastMessage(channel: channel, subtopic: subtopic))
            } catch {
                result = .failure(error)
            }
            inbox.execute {
                let (gateway, completion) = bound.value
                gateway.readsInFlight -= 1
                completion(gateway.content(result, accept))
            }
        }
    }

    private func content(
        _ result: Result<LastMessage?, ServiceError>, _ accept: UInt16?
    ) -> Result<Content?, Refusal> {
        switch result {
        case .failure(let error): return .failure(Refusal(error))
        case .success(nil): return .success(nil)
        case .success(let message?):
            guard let (payload, contentFormat) = represent(message.payload, message.contentType, accept) else {
                return .failure(.notAcceptable(accept ?? 0))
            }
            return .success(Content(payload: payload, contentFormat: contentFormat))
        }
    }

    /// Answers with a content, or with 2.03 where the client has it already (RFC 7252 section 5.10.6.2).
    ///
    /// - Parameter observe: the position that a registration is answered with.
    func respond(_ exchange: ExchangeID, _ content: Content, to request: CoAPRequest, observe: UInt64?) {
        guard let room = loop.room(exchange) else { return }
        var response: CoAPResponse
        let eTag = content.eTag
        if request.options.eTags.contains(eTag) {
            response = CoAPResponse(.valid)
            response.eTag = eTag
        } else {
            do throws(Refusal) {
                response = try slices.begin(
                    content, BodyAssembly.Key(request), request.options.block2, room: room, now: EndpointLoop.now())
            } catch {
                return refuse(exchange, error)
            }
        }
        response.observe = observe.map { Self.observeValue($0) }
        response.maxAge = observe == nil ? Self.maxAge : Self.observedMaxAge
        respond(exchange, response)
    }

    // MARK: Discovery

    /// `/.well-known/core`
    func describe(_ request: CoAPRequest, _ exchange: ExchangeID) throws(Refusal) {
        if let accept = request.options.accept, accept != LinkFormat.contentFormat { throw .notAcceptable(accept) }
        var response = CoAPResponse(.content)
        response.payload = LinkFormat.document(request.options.query)
        response.contentFormat = LinkFormat.contentFormat
        respond(exchange, response)
    }
}
