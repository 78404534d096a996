// SPDX-License-Identifier: Apache-2.0
import CMosquitto
import DequeModule
import Logging
import NIOCore

extension ClientLoop {
    /// Hands the library what waits; it sends in that order, also again after a connection that broke.
    func sendWaiting(_ handle: OpaquePointer) {
        for message in inbox.takeMessages() { send(message, handle) }
    }

    private func send(_ message: OutgoingMessage, _ handle: OpaquePointer) {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if options.remote.version == .v5 {
            mosquitto_property_add_string(
                &properties, Int32(MQTT_PROP_CONTENT_TYPE.rawValue), message.contentType)
            mosquitto_property_add_string_pair(
                &properties, Int32(MQTT_PROP_USER_PROPERTY.rawValue), BridgeProperty.name, options.remote.clientID)
        }
        var identifier: Int32 = 0
        let code = message.payload.withUnsafeReadableBytes { bytes in
            mosquitto_publish_v5(
                handle, &identifier, message.topic, Int32(bytes.count), bytes.baseAddress, Int32(message.qos.rawValue),
                message.retain, properties)
        }
        switch code {
        case MOSQ_ERR_SUCCESS.rawValue: sending[identifier] = message
        case MOSQ_ERR_NO_CONN.rawValue, MOSQ_ERR_CONN_LOST.rawValue, MOSQ_ERR_ERRNO.rawValue:
            // Of QoS 1 and 2 the library has kept it; QoS 0 is put back when the end of the connection is noticed.
            sending[identifier] = message
        case MOSQ_ERR_NOMEM.rawValue: inbox.putBack([message])
        default: delegate.settled(message, .refused(text(mosquitto_strerror(code))))
        }
    }

    /// The library says that a message is where it should be: written (QoS 0), PUBACK or PUBCOMP, or refused by a reason code.
    func published(_ identifier: Int32, _ reason: Int32) {
        guard let message = sending.removeValue(forKey: identifier) else { return }
        // A PUBREL that the remote did not know (0x92) is answered so: it had the message, and has forgotten it.
        if reason >= 0x80, reason != Int32(MQTT_RC_PACKET_ID_NOT_FOUND.rawValue) {
            delegate.settled(message, .refused(text(mosquitto_reason_string(reason))))
        } else {
            delegate.settled(message, .delivered)
        }
    }

    // MARK: Subscriptions

    /// Asks for what is wanted and not subscribed, and gives back what is not wanted any more.
    func updateSubscriptions(_ handle: OpaquePointer) {
        let (wanted, version) = inbox.subscriptions
        guard version != subscriptionsVersion else { return }
        subscriptionsVersion = version
        let isV5 = options.remote.version == .v5
        for subscription in wanted.subtracting(subscribed) {
            var identifier: Int32 = 0
            // QoS 2 is read as QoS 1: the library holds a message of QoS 2 in memory only, between PUBREC and PUBREL, and a process that is killed there would
            // have lost it. What comes again is known by its name on the bus (RedeliveryIdentity).
            // Retained messages come only with a subscription that is new, where that can be said.
            let code = mosquitto_subscribe_v5(
                handle, &identifier, subscription.filter, Int32(min(subscription.qos.rawValue, 1)),
                isV5 ? Int32(MQTT_SUB_OPT_SEND_RETAIN_NEW.rawValue) : 0, nil)
            if code == MOSQ_ERR_SUCCESS.rawValue {
                subscribed.insert(subscription)
                subscribing[identifier] = [subscription]
            } else {
                delegate.subscriptionRefused(subscription.filter, text(mosquitto_strerror(code)))
            }
        }
        if !hasCleanedUp {
            hasCleanedUp = true
            // What an earlier process was allowed, and this one is not, is still in the session.
            let filters = Set(wanted.map(\.filter))
            for mapping in options.remote.incoming where !filters.contains(mapping.filter) {
                _ = mosquitto_unsubscribe(handle, nil, mapping.filter)
            }
        }
        for subscription in subscribed.subtracting(wanted) {
            _ = mosquitto_unsubscribe(handle, nil, subscription.filter)
            subscribed.remove(subscription)
        }
    }

    /// SUBACK.
    func subscribed(_ identifier: Int32, _ granted: [Int32]) {
        guard let subscriptions = subscribing.removeValue(forKey: identifier) else { return }
        for (subscription, code) in zip(subscriptions, granted) where code >= 0x80 {
            subscribed.remove(subscription)
            delegate.subscriptionRefused(subscription.filter, text(mosquitto_reason_string(code)))
        }
    }
}
