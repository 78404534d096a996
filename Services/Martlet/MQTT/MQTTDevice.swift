// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// A simulated device that publishes with QoS 2: one message after the other, each exactly once however often the connection breaks.
///
/// Its session outlives connections, so that a message which was under way is gone on with under its packet identifier ([MQTT-4.3.3-1] to [MQTT-4.3.3-4]).
actor MQTTDevice {
    /// How long the server keeps the session between two connections.
    private static let expirySeconds: UInt32 = 3_600

    private let server: MQTTAddress
    private let user: String?
    private let key: String
    private let client = "martlet-simulate-\(EventID.new())"
    private var connection: MQTTConnection?
    private var identifier: UInt16 = 0
    private var isBusy = false
    private var turns: [CheckedContinuation<Void, Never>] = []

    /// - Parameter thing: nil: only the key says who it is.
    init(_ server: MQTTAddress, thing: String?, key: String) {
        self.server = server
        user = thing
        self.key = key
    }

    /// - Parameter retries: how often the message may be sent again when the server is away or says that it cannot now.
    /// - Throws: ``CommandFailure`` with what the last attempt met, `CancellationError`.
    func publish(_ publication: MQTTPublication, retries: Int) async throws -> Publication.Receipt {
        await takeTurn()
        defer { endTurn() }
        identifier = identifier == .max ? 1 : identifier + 1
        var backOff = BackOff(base: .milliseconds(200))
        var attempt = 0
        var isReceived = false
        while true {
            try Task.checkCancellation()
            do throws(CommandFailure) {
                try await exchange(publication, isDuplicate: attempt > 0, &isReceived)
                return Publication.Receipt(sequence: nil, isReplayed: false, retries: attempt)
            } catch {
                guard error.status == .unreachable, attempt < retries else { throw error }
            }
            try await Task.sleep(for: backOff.next())
            attempt += 1
        }
    }

    /// Ends session and connection.
    func leave() async {
        await takeTurn()
        defer { endTurn() }
        await connection?.close(after: MQTTPackets.disconnect())
        connection = nil
    }

    /// - Parameter isReceived: whether the server has the message, and only its identifier is to be released.
    private func exchange(
        _ publication: MQTTPublication, isDuplicate: Bool, _ isReceived: inout Bool
    ) async throws(CommandFailure) {
        if !isReceived {
            let packet = MQTTPackets.publish(
                topic: publication.topic, contentType: publication.contentType, payload: publication.body,
                identifier: identifier, isDuplicate: isDuplicate)
            let reply = try await ask(packet, .pubRec)
            guard reply.reason < 0x80 else { throw .mqtt(reply.reason) }
            isReceived = true
        }
        // Whatever its reason: the server knows nothing of the identifier any more.
        _ = try await ask(MQTTPackets.release(identifier), .pubComp)
    }

    private func ask(_ packet: ByteBuffer, _ kind: MQTTReply.Kind) async throws(CommandFailure) -> MQTTReply {
        let reply = try await answer(try await connected(), packet)
        guard reply.kind == kind, reply.identifier == identifier else {
            await drop()
            throw reply.kind == .disconnect
                ? .mqtt(reply.reason) : .mqtt("answers with another packet than was asked for")
        }
        return reply
    }

    private func connected() async throws(CommandFailure) -> MQTTConnection {
        if let connection { return connection }
        let made: MQTTConnection
        do {
            made = try await MQTTConnection.open(host: server.host, port: server.port)
        } catch {
            throw .mqtt("cannot be reached: \(error)", at: server)
        }
        connection = made
        let reply = try await answer(
            made,
            MQTTPackets.connect(
                client: client, user: user, password: key, keepAliveSeconds: MQTTConnection.keepAliveSeconds,
                expirySeconds: Self.expirySeconds))
        guard reply.kind == .connAck, reply.reason == 0 else {
            await drop()
            throw .mqtt(reply.reason)
        }
        return made
    }

    private func answer(
        _ connection: MQTTConnection, _ packet: ByteBuffer
    ) async throws(CommandFailure) -> MQTTReply {
        do {
            return try await connection.ask(packet)
        } catch {
            await drop()
            throw .mqtt("ended the connection", at: server)
        }
    }

    private func drop() async {
        let dropped = connection
        connection = nil
        await dropped?.close()
    }

    private func takeTurn() async {
        guard isBusy else {
            isBusy = true
            return
        }
        await withCheckedContinuation { turns.append($0) }
    }

    private func endTurn() {
        if turns.isEmpty { isBusy = false } else { turns.removeFirst().resume() }
    }
}

/// A message for a topic.
struct MQTTPublication: Sendable {
    let topic: String
    let contentType: String
    let body: [UInt8]

    /// - Parameter channel: identifier or route.
    init(channel: String, subtopic: String?, contentType: String, body: [UInt8]) {
        let tail = subtopic.flatMap { $0.isEmpty ? nil : "/" + $0 } ?? ""
        topic = "channels/\(channel)/messages" + tail
        self.contentType = contentType
        self.body = body
    }
}

extension CommandFailure {
    fileprivate static func mqtt(_ what: String, at server: MQTTAddress? = nil) -> CommandFailure {
        CommandFailure(
            .unreachable, "the MQTT server\(server.map { " at \($0)" } ?? "") \(what)", reason: "unreachable")
    }

    /// A reason code of MQTT 5 (section 2.4).
    fileprivate static func mqtt(_ reason: UInt8) -> CommandFailure {
        let code = "0x" + String(reason, radix: 16, uppercase: true)
        let status: ExitStatus =
            switch reason {
            // Server unavailable, busy, shutting down, quota exceeded, rates, another server; and what this server says while its bus is away.
            case 0x83, 0x88, 0x89, 0x8B, 0x8D, 0x8E, 0x96, 0x97, 0x9C, 0x9F: .unreachable
            case 0x86, 0x87: .notAuthenticated
            default: .refused
            }
        return CommandFailure(
            status, "the MQTT server refuses with reason \(code)", reason: "mqtt-\(code.lowercased())")
    }
}
