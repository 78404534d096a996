// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging
import Messaging

extension Broker {
    func hello(_ connection: Connection, _ frame: ControlFrame) {
        guard connection.role == nil else { return end(connection, .protocolViolation, "hello was said already") }
        guard let hello = try? JSONDecoder().decode(Wire.Hello.self, from: Data(frame.body)) else {
            return end(connection, .protocolViolation, "hello: not the JSON that is expected")
        }
        guard hello.version == Wire.version else {
            return end(
                connection, .protocolViolation,
                "protocol version \(hello.version) is not spoken here, version \(Wire.version) is")
        }
        guard let index = roles.index(of: hello.name) else {
            logger.warning(
                "unknown role",
                metadata: ["client": "\(hello.name.prefix(64))", "pid": "\(connection.processID)"])
            return end(connection, .unknownRole, "no role has the name '\(hello.name.prefix(64))'")
        }
        connection.role = roles.roles[index]
        connection.roleBit = 1 << UInt64(index)
        let welcome = Wire.Welcome(
            version: Wire.version, maximumPayloadBytes: Self.maximumPayloadBytes, connection: connection.identifier,
            instance: instance)
        guard let body = try? JSONEncoder().encode(welcome) else {
            return end(connection, .protocolViolation, "welcome could not be written")
        }
        connection.control(.welcome, token: 0, body: body)
        logger.debug(
            "connected", metadata: ["client": "\(hello.name)", "pid": "\(connection.processID)"])
    }

    func subscribe(_ connection: Connection, _ frame: ControlFrame) {
        let filterLength = Int(frame.extra)
        guard frame.token != 0, filterLength <= frame.body.count else {
            return end(connection, .protocolViolation, "subscribe: no identifier, or a filter longer than the frame")
        }
        guard connection.subscriptions[frame.token] == nil, connection.consumes[frame.token] == nil else {
            return end(connection, .protocolViolation, "subscription \(frame.token) exists already")
        }
        guard let filter = frame.text(0..<filterLength), SubjectFilter.isValidFilter(filter),
            let queueGroup = frame.text(filterLength..<frame.body.count),
            queueGroup.isEmpty || SubjectFilter.isValidSubject(queueGroup)
        else { return connection.failed(frame.token, .invalidSubject, "not a subject filter, or not a queue group") }
        guard connection.subscriptions.count < Connection.maximumSubscriptions else {
            return connection.failed(
                frame.token, .invalidConfiguration,
                "a connection may hold \(Connection.maximumSubscriptions) subscriptions")
        }
        if filter.utf8.starts(with: "inbox.".utf8) {
            // A connection has its inbox without asking, and nobody else's.
            guard filter.utf8.starts(with: connection.inboxPrefix) else {
                return deny(connection, frame.token, filter)
            }
            return connection.done(frame.token)
        }
        guard connection.role?.maySubscribe(to: filter) == true else { return deny(connection, frame.token, filter) }
        let subscription = Subscription(
            slot: connection.slot, identifier: frame.token, filter: filter, queueGroup: queueGroup)
        connection.subscriptions[frame.token] = subscription
        router.subscribe(subscription)
        connection.done(frame.token)
    }

    private func deny(_ connection: Connection, _ token: UInt32, _ filter: String) {
        statistics.refuse("permission_denied")
        connection.failed(token, .permissionDenied, "the role '\(connection.name)' may not subscribe to '\(filter)'")
        logRefusal(connection, filter, "may not subscribe")
    }

    /// Idempotent: an identifier that is not known is done with too.
    func unsubscribe(_ connection: Connection, _ frame: ControlFrame) {
        if let subscription = connection.subscriptions.removeValue(forKey: frame.token) {
            router.unsubscribe(subscription)
        } else if let consumer = connection.consumes.removeValue(forKey: frame.token) {
            detach(consumer)
        }
        connection.done(frame.token)
    }
}
