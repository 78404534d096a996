// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Messaging
import NIOCore
import Observability

// GET with Observe: registrations (RFC 7641 section 4.1).
extension Gateway {
    /// A registration that waits until the stream is followed.
    struct Registration {
        let request: CoAPRequest
        let exchange: ExchangeID
        let path: MessagePath
        let caller: Caller
        let grant: Grant
    }

    /// Begins to observe, and answers.
    func register(_ registration: Registration) {
        switch feed.enter(registration.grant.channel) {
        case .running(let position): open(registration, from: position)
        case .starting: registrations.append(registration)
        }
    }

    /// The stream is followed from here on.
    func feedBegan(at position: UInt64) {
        let waiting = registrations
        registrations = []
        for registration in waiting { open(registration, from: position) }
    }

    func feedCannotBegin(_ error: BusError) {
        let waiting = registrations
        registrations = []
        for registration in waiting {
            feed.leave(registration.grant.channel)
            refuse(registration.exchange, Refusal(ServiceError(publishing: error)))
        }
    }

    /// Later values would be taken for older ones (RFC 7641 section 3.4): observers are told to register anew.
    func feedBeganAnew() {
        let refusal = Refusal(
            ServiceError(
                .unavailable, reason: "stream-began-anew", "Messages are numbered anew; observe again.",
                retryAfterSeconds: 1))
        for id in observers.all.map(\.id) {
            loop.notify(id, refusal.response, isConfirmable: true)
            loop.closeObservation(id)
            end(id, "stream-began-anew")
        }
    }

    private func open(_ registration: Registration, from position: UInt64) {
        let grant = registration.grant
        guard let (id, replaced) = loop.openObservation(registration.exchange) else {
            return feed.leave(grant.channel)
        }
        if let replaced { end(replaced, "replaced") }
        let request = registration.request
        let isVerified = request.transport != .udp || !settings.verifiesAddresses || verified.contains(request.peer)
        if !isVerified { loop.ping(registration.exchange) }
        let inbox = loop.inbox
        let bound = bound
        let watch = watch(registration.caller, grant, ChannelAddress(registration.path)) { error in
            inbox.execute { bound.value.revoked(id, error) }
        }
        observers.insert(
            Observer(
                id: id, peer: request.peer, key: BodyAssembly.Key(request),
                channel: grant.channel,
                path: registration.path, contentFormat: request.options.accept,
                from: position, watch: watch, isVerified: isVerified,
                pace: ObservationPace(settings.pace, now: EndpointLoop.now())))
        metrics.observers.set(Double(observers.count))
        lastContent(registration.path, grant.channel, request.options.accept) { [self] result in
            answer(registration, id, try? result.get(), position)
        }
    }

    /// Answers a registration, with the last value where there is one and it can be had.
    private func answer(_ registration: Registration, _ id: ObservationID, _ content: Content?, _ position: UInt64) {
        guard var observer = observers[id] else {
            // It ended meanwhile; what it was told then had no Observe option.
            return respond(registration.exchange, CoAPResponse(.content))
        }
        if let content {
            observer.contentFormat = observer.contentFormat ?? content.contentFormat
            respond(registration.exchange, content, to: registration.request, observe: position)
        } else {
            var response = CoAPResponse(.content)
            response.observe = Self.observeValue(position)
            response.maxAge = Self.observedMaxAge
            respond(registration.exchange, response)
        }
        observer.isAnswered = true
        observers.update(observer)
        notifyWaiting(id, now: EndpointLoop.now())
    }

    /// Seconds: a value is the newest until another comes, of which the observer is told; a day is what RFC 7641 section 4.5 has for a sign of life.
    static let observedMaxAge: UInt32 = 86_400

    /// GET with Observe 1, or of somebody who observes no more.
    func deregister(_ exchange: ExchangeID) {
        guard let id = loop.observation(of: exchange) else { return }
        loop.closeObservation(id)
        end(id, "deregistered")
    }

    /// The value of the Observe option: the number in the stream, of which 24 bits are compared (RFC 7641 section 3.4).
    static func observeValue(_ sequence: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: sequence & 0xFF_FFFF) }

    // MARK: Signs of life

    /// Questions for last values that signs of life may ask at once.
    private static let maximumSigns = 100

    /// Sends those a confirmable notification who have had none for long, so that they know that they are still observing, and the server that they are there
    /// (RFC 7641 section 4.5).
    func showLife(_ now: UInt64) {
        let due = observers.all.lazy.filter { [settings] observer in
            !observer.isHeld && observer.pace.isSilent(for: settings.aliveNanoseconds, now: now)
        }
        for observer in due.prefix(Self.maximumSigns) {
            // Not again while its value is asked for.
            var asked = observer
            asked.pace.showedLife(now: now)
            observers.update(asked)
            lastContent(observer.path, observer.channel, observer.contentFormat) { [self] result in
                showLife(to: observer.id, try? result.get())
            }
        }
    }

    private func showLife(to id: ObservationID, _ content: Content?) {
        // What came meanwhile is a sign, too.
        guard let observer = observers[id], observers.waiting[id] == nil, let position = feed.position else { return }
        let now = EndpointLoop.now()
        var response = content.flatMap { notification($0, observer, now) } ?? CoAPResponse(.content)
        response.observe = Self.observeValue(position)
        response.maxAge = Self.observedMaxAge
        if loop.notify(id, response, isConfirmable: true) == .sent { metrics.confirmableNotifications.increment() }
    }

    // MARK: The end

    /// The right is gone: the last notification says so, and has no Observe option (RFC 7641 section 4.2).
    func revoked(_ id: ObservationID, _ error: ServiceError) {
        guard observers[id] != nil else { return }
        loop.notify(id, Refusal(error).response, isConfirmable: true)
        loop.closeObservation(id)
        end(id, "revoked")
    }

    /// Forgets an observer whose observation is closed.
    func end(_ id: ObservationID, _ reason: String) {
        guard let observer = observers.remove(id) else { return }
        observer.watch.cancel()
        feed.leave(observer.channel)
        metrics.observationEnded(reason)
        metrics.observers.set(Double(observers.count))
    }
}
