// SPDX-License-Identifier: Apache-2.0
import CMosquitto
import Glibc
import Logging
import NIOCore

// The library's handle: its settings and its callbacks. They come on this thread, from within the calls of the loop.
extension ClientLoop {
    /// - Returns: false when the library does not take the settings; ``lastError`` says which.
    func makeHandle(cleanStart: Bool) -> Bool {
        let owner = Unmanaged.passUnretained(self).toOpaque()
        guard let handle = mosquitto_new(options.clientID, cleanStart, owner) else {
            lastError = "libmosquitto has no memory"
            return false
        }
        let remote = options.remote
        var steps: [(String, Int32)] = [
            (
                "version",
                mosquitto_int_option(
                    handle, MOSQ_OPT_PROTOCOL_VERSION,
                    Int32(remote.version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311))
            ),
            ("threaded", mosquitto_threaded_set(handle, true)),
            ("maximum_in_flight", mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, Int32(remote.maximumInFlight))),
            (
                "maximum_in_flight",
                mosquitto_int_option(handle, MOSQ_OPT_RECEIVE_MAXIMUM, Int32(remote.maximumInFlight))
            ),
            ("nodelay", mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1)),
        ]
        if let tls = remote.tls { steps += setTLS(tls, handle) }
        if let failed = steps.first(where: { $0.1 != MOSQ_ERR_SUCCESS.rawValue }) {
            lastError = "'\(failed.0)': \(text(mosquitto_strerror(failed.1)))"
            mosquitto_destroy(handle)
            return false
        }
        setCallbacks(handle)
        self.handle = handle
        subscribed = []
        subscriptionsVersion = nil
        return true
    }

    private func setTLS(_ tls: Remote.TLS, _ handle: OpaquePointer) -> [(String, Int32)] {
        var steps: [(String, Int32)] = []
        if tls.authorityFile == nil {
            steps.append(("tls", mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1)))
        }
        steps.append(
            (
                "tls",
                mosquitto_tls_set(
                    // Without any file the library insists on a folder that exists; the system's authorities are used.
                    handle, tls.authorityFile, tls.authorityFile == nil ? "/etc/ssl/certs" : nil, tls.certificateFile,
                    tls.keyFile, nil)
            ))
        // SSL_VERIFY_PEER, and what the library takes for a good version: 1.2 and 1.3.
        steps.append(("tls", mosquitto_tls_opts_set(handle, 1, nil, nil)))
        steps.append(("tls.verify_server_name", mosquitto_tls_insecure_set(handle, !tls.verifiesServerName)))
        return steps
    }

    /// Read anew before each connection, so that a new one counts without a restart.
    func setPassword(_ handle: OpaquePointer) {
        guard let username = options.remote.username else { return }
        let password = options.remote.passwordFile.flatMap { SecretFile.read($0) }
        if options.remote.passwordFile != nil, password == nil {
            logger.error("the password cannot be read", metadata: ["path": "\(options.remote.passwordFile ?? "")"])
        }
        mosquitto_username_pw_set(handle, username, password)
    }

    private static func loop(_ owner: UnsafeMutableRawPointer?) -> ClientLoop? {
        owner.map { Unmanaged<ClientLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    private func setCallbacks(_ handle: OpaquePointer) {
        mosquitto_connect_v5_callback_set(handle) { _, owner, code, flags, _ in
            ClientLoop.loop(owner)?.answered(code, sessionPresent: flags & 1 != 0)
        }
        mosquitto_message_v5_callback_set(handle) { _, owner, message, properties in
            guard let message else { return }
            ClientLoop.loop(owner)?.take(message.pointee, properties)
        }
        mosquitto_publish_v5_callback_set(handle) { _, owner, identifier, reason, _ in
            ClientLoop.loop(owner)?.published(identifier, reason)
        }
        mosquitto_subscribe_v5_callback_set(handle) { _, owner, identifier, count, granted, _ in
            ClientLoop.loop(owner)?.subscribed(
                identifier, Array(UnsafeBufferPointer(start: granted, count: Int(max(0, count)))))
        }
        mosquitto_log_callback_set(handle) { _, owner, level, message in
            guard level & Int32(MOSQ_LOG_ERR) != 0, let message else { return }
            ClientLoop.loop(owner)?.lastError = String(cString: message)
        }
    }

    /// CONNACK.
    private func answered(_ code: Int32, sessionPresent: Bool) {
        guard code == 0 else {
            refusal = text(
                options.remote.version == .v5 ? mosquitto_reason_string(code) : mosquitto_connack_string(code))
            return
        }
        isConnected = true
        if !sessionPresent { subscribed = [] }
        // The library asks again for what is missing; what the session has, it has.
        subscriptionsVersion = nil
        if !isClearing { delegate.changed(.connected) }
    }

    private func take(_ message: mosquitto_message, _ properties: OpaquePointer?) {
        guard !isCutting else { return }
        let count = Int(max(0, message.payloadlen))
        let payload = ByteBuffer(bytes: UnsafeRawBufferPointer(start: message.payload, count: count))
        var found = ReceivedMessage(
            topic: message.topic.flatMap { String(validatingCString: $0) }, payload: payload,
            qos: QoS(rawValue: Int(message.qos)) ?? .atMostOnce, retain: message.retain,
            packetIdentifier: UInt16(truncatingIfNeeded: message.mid))
        read(properties, into: &found)
        received.append(found)
        receivedBytes += count
    }

    private func read(_ properties: OpaquePointer?, into message: inout ReceivedMessage) {
        var next = properties
        while let property = next {
            switch mosquitto_property_identifier(property) {
            case Int32(MQTT_PROP_CONTENT_TYPE.rawValue):
                var value: UnsafeMutablePointer<CChar>?
                mosquitto_property_read_string(property, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), &value, false)
                defer { free(value) }
                message.contentType = value.map { String(cString: $0) }
            case Int32(MQTT_PROP_USER_PROPERTY.rawValue):
                var name: UnsafeMutablePointer<CChar>?
                var value: UnsafeMutablePointer<CChar>?
                mosquitto_property_read_string_pair(
                    property, Int32(MQTT_PROP_USER_PROPERTY.rawValue), &name, &value, false)
                defer {
                    free(name)
                    free(value)
                }
                if let name, let value, String(cString: name) == BridgeProperty.name {
                    message.origin = String(cString: value)
                }
            default: break
            }
            next = mosquitto_property_next(property)
        }
    }
}
