// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability

/// Between CoAP and the bus: who asks, what for, and what it is answered. Used on the endpoint's thread only, so nothing of it is locked.
final class Gateway: EndpointHandler {
    /// What a gateway needs of the rest of the service.
    struct Environment: Sendable {
        let authenticator: ThingAuthenticator
        let policy: IngestPolicy
        let bus: any Bus
        let reader: ReaderClient
        let feed: MessageFeed
        let clock: WallClock
        let logger: Logger
    }

    /// The limits of a gateway.
    struct Settings: Sendable {
        var pace = ObservationPace.Policy()
        /// Observations of all clients, and of one address and port; beyond, a GET is answered as if it had no Observe option (RFC 7641 section 4.1).
        var maximumObservers = 10_000
        var maximumObserversOfPeer = 100
        /// After so long without a notification an observer gets one that it has to acknowledge (RFC 7641 section 4.5).
        var aliveNanoseconds: UInt64 = 43_200_000_000_000
        var bodies = BodyAssembly.Limits()
        /// Of bodies that are fetched in blocks.
        var maximumSliceBytes = 16 << 20
        /// Requests of one address each second on average that turn out to be nobody's, ten seconds' worth at once; 0: no limit.
        var addressRequestsPerSecond = 100
        /// Questions for the last value that are under way; more are answered 5.03.
        var maximumReads = 1_024
        /// Whether answers to addresses that may be a victim's are kept short (``VerifiedAddresses``).
        var verifiesAddresses = true
    }

    let loop: EndpointLoop
    let environment: Environment
    let metrics: GatewayMetrics
    let settings: Settings
    let feed: MessageFeed
    var payloadCheck = PayloadCheck()
    var transcoder = SenMLTranscoder()
    var bodies: BodyAssembly
    var slices: BodySlices
    var addresses: AddressBuckets?
    var verified = VerifiedAddresses()
    var checks: [PeerAddress: AddressCheck] = [:]
    var proven: [UInt64: ProvenSession] = [:]
    var observers = ObserverTable()
    var registrations: [Registration] = []
    /// Whom the message that is being delivered is for, but those who have had it.
    var delivering: ArraySlice<ObservationID> = []
    var readsInFlight = 0
    /// When those are looked at whose messages wait, and those who have not answered a ping.
    var notifyDeadline: UInt64?
    var pingDeadline: UInt64?
    private var floodLoggedAt: UInt64?
    private static let floodLogNanoseconds: UInt64 = 10_000_000_000

    init(_ loop: EndpointLoop, _ environment: Environment, _ settings: Settings, metrics: GatewayMetrics) {
        self.loop = loop
        self.environment = environment
        self.settings = settings
        feed = environment.feed
        var limits = settings.bodies
        limits.maximumBody = environment.policy.maximumPayloadBytes
        bodies = BodyAssembly(limits)
        slices = BodySlices(maximumBytes: settings.maximumSliceBytes)
        let rate = Double(settings.addressRequestsPerSecond)
        addresses = rate > 0 ? AddressBuckets(perSecond: rate, burst: rate * 10) : nil
        self.metrics = metrics
    }

    // MARK: The endpoint

    func received(_ request: CoAPRequest, _ exchange: ExchangeID) {
        metrics.request(request.transport)
        noteEcho(request)
        do throws(Refusal) {
            try route(request, exchange)
        } catch {
            refuse(exchange, error)
        }
    }

    func receivedAgain(_ peer: PeerAddress, isGood: Bool) {
        metrics.retransmissions.increment()
        if isGood { vouched(for: peer) }
    }

    func ignored(_ reason: String) { metrics.ignored(reason) }

    func cutOff(_ reason: String) { metrics.cutOff(reason) }

    func overloaded() {
        metrics.refused(Refusal.overloaded.reason)
        metrics.responded(Refusal.overloaded.code)
    }

    func observationEnded(_ observation: ObservationID, _ reason: ObservationEnd) { end(observation, reason.rawValue) }

    func mayNotifyAgain() { notifyWaiting(now: EndpointLoop.now()) }

    func ignoring(_ network: PeerAddress.Network) {
        metrics.ignored("flood")
        let now = EndpointLoop.now()
        // It may be told of many times a second.
        guard floodLoggedAt.map({ now &- $0 >= Self.floodLogNanoseconds }) ?? true else { return }
        floodLoggedAt = now
        environment.logger.warning("an address sends too much and is not listened to", metadata: ["from": "\(network)"])
    }

    func kernelDropped(_ datagrams: UInt64) { metrics.kernelDrops.increment(by: datagrams) }

    func handshakeRefused(_ reason: String) { metrics.refused(reason) }

    var deadline: UInt64? {
        switch (notifyDeadline, pingDeadline) {
        case (let notify?, let ping?): min(notify, ping)
        case (let notify, let ping): notify ?? ping
        }
    }

    func deadlineReached(now: UInt64) {
        if let notifyDeadline, notifyDeadline <= now { notifyWaiting(now: now) }
        if let pingDeadline, pingDeadline <= now { pingAgain(now) }
    }

    func tick(now: UInt64) {
        bodies.expire(now)
        showLife(now)
        slices.expire(now)
        lookAtChecks(now)
        metrics.heldBytes.set(Double(bodies.heldBytes + slices.heldBytes))
    }

    // MARK: Requests

    private func route(_ request: CoAPRequest, _ exchange: ExchangeID) throws(Refusal) {
        if let number = request.options.malformed { throw .malformedOption(number) }
        for block in [request.options.block1, request.options.block2] where block?.sizeExponent == CoAPBlock.bert {
            guard request.transport.isReliable else { throw .reservedBlockSize }
        }
        guard let method = request.method else { throw .methodNotAllowed }
        let target = try RequestTarget(request.options, isFilter: method == .get)
        switch (target.resource, method) {
        case (.messages(let path), .post), (.messages(let path), .put):
            if request.options.isConditional { throw .conditional }
            try publish(request, path, try caller(target, request), exchange)
        case (.messages(let path), .get): try read(request, path, target, exchange)
        case (.wellKnownCore, .get): try describe(request, exchange)
        case (.messages, _), (.wellKnownCore, _): throw .methodNotAllowed
        case (.thing, _): throw .thingPath
        }
    }

    // MARK: Answers

    func refuse(_ exchange: ExchangeID, _ refusal: Refusal) {
        metrics.refused(refusal.reason)
        respond(exchange, refusal.response)
    }

    /// This, for what ends on another thread.
    var bound: ThreadBound<Gateway> { ThreadBound(self, loop.inbox) }
}
