// SPDX-License-Identifier: Apache-2.0
import CMosquitto
import Core
import Glibc
import Logging
import NIOCore

/// The thread of a ``RemoteClient``: connects, reads, acknowledges and sends, one step after the other.
///
/// The library runs in its external-loop form and is told that there are other threads (`mosquitto_threaded_set`), so that what it answers is only queued:
/// PUBACK is written by `mosquitto_loop_write`, and that is called when the messages that were read are on disk. A batch is what the socket had.
final class ClientLoop {
    /// The bytes of a batch, about.
    private static let batchBytes = 4 << 20
    /// How long the thread sleeps when nothing happens: keep-alives are looked after in between.
    private static let tickMilliseconds: Int32 = 1_000
    /// A connection that lasted so long was good: the next pause is short again.
    private static let goodConnection: Duration = .seconds(10)

    let options: ClientOptions
    let inbox: ClientInbox
    let delegate: any RemoteClientDelegate
    let logger: Logger

    var handle: OpaquePointer?
    /// CONNACK has come, and was good.
    var isConnected = false
    /// From CONNACK or the library, for who looks after the service.
    var refusal: String?
    var lastError: String?
    var received: [ReceivedMessage] = []
    var receivedBytes = 0
    /// What is read is not taken any more: the connection is being cut.
    var isCutting = false
    /// Handed to the library, by packet identifier.
    var sending: [Int32: OutgoingMessage] = [:]
    /// What the session has, as far as this process asked for it.
    var subscribed: Set<RemoteSubscription> = []
    /// nil: what is wanted has to be compared.
    var subscriptionsVersion: UInt64?
    var subscribing: [Int32: [RemoteSubscription]] = [:]
    var hasCleanedUp = false
    private var isLeaving = false
    /// This connection only ends the session of an earlier process.
    private(set) var isClearing = false

    init(
        _ options: ClientOptions, inbox: ClientInbox, delegate: any RemoteClientDelegate, logger: Logger
    ) {
        self.options = options
        self.inbox = inbox
        self.delegate = delegate
        self.logger = logger
    }

    /// Runs until ``ClientInbox/stop()``.
    func run() {
        if options.purpose == .sending { attempt(clearsSession: true) { $0.wasLeft } }
        attempt(clearsSession: false) { _ in false }
    }

    private var wasLeft: Bool { isLeaving }

    /// Connects again and again with one handle.
    private func attempt(clearsSession: Bool, until isDone: (ClientLoop) -> Bool) {
        var backOff = BackOff(base: .milliseconds(200), ceiling: .seconds(15))
        isLeaving = false
        isClearing = clearsSession
        while !inbox.isStopping, !makeHandle(cleanStart: clearsSession) {
            delegate.changed(.refused(lastError ?? "libmosquitto does not take the settings"))
            inbox.pause(backOff.next())
        }
        defer {
            if let handle { mosquitto_destroy(handle) }
            handle = nil
        }
        while !inbox.isStopping {
            let begin = ContinuousClock.now
            var code = connect()
            if code == MOSQ_ERR_SUCCESS.rawValue { code = serve() }
            let wasConnected = isConnected
            ended(code)
            if isDone(self) || inbox.isStopping { return }
            if wasConnected, ContinuousClock.now - begin > Self.goodConnection { backOff.reset() }
            inbox.pause(backOff.next())
        }
    }

    private func connect() -> Int32 {
        guard let handle else { return MOSQ_ERR_INVAL.rawValue }
        isConnected = false
        isCutting = false
        refusal = nil
        lastError = nil
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if options.remote.version == .v5 {
            if !isClearing {
                mosquitto_property_add_int32(
                    &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), options.remote.sessionExpirySeconds)
            }
            mosquitto_property_add_int32(
                &properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), UInt32(Limits.messageBytes + 65_536))
        }
        setPassword(handle)
        errno = 0
        return mosquitto_connect_bind_v5(
            handle, options.remote.host, Int32(options.remote.port), Int32(options.remote.keepAliveSeconds), nil,
            properties)
    }

    // MARK: One connection

    /// - Returns: the library's code with which it ended.
    private func serve() -> Int32 {
        guard let handle else { return MOSQ_ERR_INVAL.rawValue }
        while true {
            if inbox.isStopping || (isClearing && isConnected) { return leave() }
            let socket = mosquitto_socket(handle)
            guard socket >= 0 else { return MOSQ_ERR_CONN_LOST.rawValue }
            let wantsWrite = mosquitto_want_write(handle)
            var descriptors = [
                pollfd(fd: socket, events: Int16(POLLIN | (wantsWrite ? POLLOUT : 0)), revents: 0),
                pollfd(fd: inbox.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&descriptors, nfds_t(descriptors.count), Self.tickMilliseconds)
            if descriptors[1].revents != 0 { inbox.acknowledgeWakes() }
            if descriptors[0].revents & ~Int16(POLLOUT) != 0 {
                let code = readBatch(handle, socket)
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            if isConnected, !isClearing {
                updateSubscriptions(handle)
                sendWaiting(handle)
            }
            if mosquitto_want_write(handle) {
                let code = mosquitto_loop_write(handle, 1)
                guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
            }
            let code = mosquitto_loop_misc(handle)
            guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
        }
    }

    /// Reads what is there, brings it to safety, and lets its acknowledgements go.
    private func readBatch(_ handle: OpaquePointer, _ socket: Int32) -> Int32 {
        received.removeAll(keepingCapacity: true)
        receivedBytes = 0
        let limit = delegate.batchLimit
        var code = MOSQ_ERR_SUCCESS.rawValue
        repeat {
            code = mosquitto_loop_read(handle, 1)
        } while code == MOSQ_ERR_SUCCESS.rawValue && received.count < limit && receivedBytes < Self.batchBytes
            && isReadable(socket)
        if code != MOSQ_ERR_SUCCESS.rawValue {
            // The connection is gone, and with it the acknowledgements: QoS 1 and 2 come again.
            received.removeAll { $0.qos != .atMostOnce }
        }
        guard !received.isEmpty else { return code }
        let batch = received
        received.removeAll(keepingCapacity: true)
        return delegate.take(batch) ? code : cut(handle)
    }

    private func isReadable(_ socket: Int32) -> Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) > 0
    }

    /// Ends the connection without a word, and so that no acknowledgement that is queued is written: the remote sends its messages again.
    private func cut(_ handle: OpaquePointer) -> Int32 {
        isCutting = true
        let socket = mosquitto_socket(handle)
        guard socket >= 0 else { return MOSQ_ERR_CONN_LOST.rawValue }
        shutdown(socket, Int32(SHUT_RDWR))
        // What had come already is read to the end; then the library finds the connection closed, and closes its side.
        while mosquitto_socket(handle) >= 0 {
            let code = mosquitto_loop_read(handle, 1)
            guard code == MOSQ_ERR_SUCCESS.rawValue else { return code }
        }
        return MOSQ_ERR_CONN_LOST.rawValue
    }

    /// DISCONNECT, behind what is queued, as far as the socket takes it at once.
    private func leave() -> Int32 {
        guard let handle else { return MOSQ_ERR_INVAL.rawValue }
        isLeaving = true
        if mosquitto_socket(handle) >= 0, isConnected {
            mosquitto_disconnect(handle)
            for _ in 0..<50 where mosquitto_socket(handle) >= 0 && mosquitto_want_write(handle) {
                var descriptor = pollfd(fd: mosquitto_socket(handle), events: Int16(POLLOUT), revents: 0)
                guard poll(&descriptor, 1, 100) > 0, mosquitto_loop_write(handle, 1) == MOSQ_ERR_SUCCESS.rawValue else {
                    break
                }
            }
        }
        return MOSQ_ERR_SUCCESS.rawValue
    }

    /// - Parameter code: with which the connection ended, or was not made.
    private func ended(_ code: Int32) {
        let errnoAtEnd = errno
        if let refusal {
            delegate.changed(.refused(refusal))
        } else if !isLeaving {
            var reason = code == MOSQ_ERR_ERRNO.rawValue ? text(strerror(errnoAtEnd)) : text(mosquitto_strerror(code))
            if let lastError { reason += ": \(lastError)" }
            // A handshake that fails is reported as EPROTO.
            let isTLS =
                code == MOSQ_ERR_TLS.rawValue || code == MOSQ_ERR_TLS_HANDSHAKE.rawValue
                || (options.remote.tls != nil && code == MOSQ_ERR_ERRNO.rawValue && errnoAtEnd == EPROTO)
            delegate.changed(isTLS && !isConnected ? .refused(reason) : .away(reason))
        }
        isConnected = false
        subscribing = [:]
        // The library keeps QoS 1 and 2 and sends them again; QoS 0 that was not written is gone with its buffer.
        let lost = sending.filter { $0.value.qos == .atMostOnce }
        for identifier in lost.keys { sending[identifier] = nil }
        inbox.putBack(lost.values.sorted { $0.token < $1.token })
    }

    func text(_ pointer: UnsafePointer<CChar>?) -> String {
        pointer.map { String(cString: $0) } ?? "unknown"
    }
}
