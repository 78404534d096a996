// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Logging
import Messaging
import NIOCore
import Postgres
import TestKit
import Testing

/// The whole product with one channel of known messages in it, and those who may and may not read them.
struct ReaderScene: Sendable {
    let stack: Stack
    let device: Stack.Device
    let channel: ChannelID
    let token: String
    let bus: SocketBus

    /// The first message's time: whole seconds, so that the pack's decimals are exact.
    static let start: Int64 = 1_700_000_000

    /// - Parameter settings: further environment variables, by service.
    static func make(settings: [String: [String: String]] = [:]) async throws -> ReaderScene {
        let stack = try await Stack.start(settings: settings)
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: stack.directory.file("bus.sock"), name: "http-adapter"),
            logger: Logger(label: "reader-test"))
        try await bus.waitUntilConnected(timeout: .seconds(60))
        return ReaderScene(
            stack: stack, device: device, channel: try #require(ChannelID(device.channel)), token: token, bus: bus)
    }

    func stop() async throws {
        await bus.close()
        try await stack.stop()
    }

    /// Publishes as an adapter does, and waits until it is stored.
    func publish(
        _ payload: String, _ contentType: ContentType = .senmlJSON, subtopic: String = "", transport: Transport = .http,
        publisher: ThingID? = nil, created: Int64 = start * 1_000_000_000, storing rows: Int
    ) async throws {
        let before = try await stored()
        try await send(
            payload, contentType, subtopic: subtopic, transport: transport, publisher: publisher, created: created)
        try await eventually("\(rows) rows are stored") { try await stored() == before + rows }
    }

    /// Publishes as an adapter does.
    /// - Returns: the message's number in the log.
    @discardableResult
    func send(
        _ payload: String, _ contentType: ContentType, subtopic: String = "", transport: Transport = .http,
        publisher: ThingID? = nil, created: Int64 = start * 1_000_000_000
    ) async throws -> UInt64 {
        let message = RawMessage(
            domain: .new(), channel: channel, subtopic: subtopic,
            publisher: try publisher ?? #require(ThingID(device.thing)), transport: transport, contentType: contentType,
            created: created, payload: ByteBuffer(string: payload))
        var envelope = ByteBuffer()
        message.encode(into: &envelope)
        return try await bus.publishDurably(
            BusMessage(subject: Subjects.messages(channel: channel, subtopic: subtopic), payload: envelope)
        ).sequence
    }

    private func stored() async throws -> Int {
        let result = try await stack.database.execute(
            """
            SELECT (SELECT count(*) FROM messages.senml WHERE channel = \(channel))
                + (SELECT count(*) FROM messages.json WHERE channel = \(channel))
                + (SELECT count(*) FROM messages.blobs WHERE channel = \(channel))
            """)
        return try #require(result.first).decode(Int.self, at: 0)
    }

    struct Page: Decodable {
        struct Message: Decodable {
            var name: String?
            var unit: String?
            var time: Double?
            var created: Double?
            var subtopic: String?
            var `protocol`: String?
            var publisher: String?
            var value: Double?
            var stringValue: String?
            var boolValue: Bool?
            var dataValue: String?
            var sum: Double?
            var updateTime: Double?
            var contentType: String?
            var count: Int?
            var valueTime: Double?

            private enum CodingKeys: String, CodingKey {
                case name, unit, time, created, subtopic, `protocol`, publisher, value, sum, count
                case valueTime = "value_time"
                case stringValue = "string_value"
                case boolValue = "bool_value"
                case dataValue = "data_value"
                case updateTime = "update_time"
                case contentType = "content_type"
            }
        }
        var total: Int?
        var offset: Int?
        var limit: Int
        var nextCursor: String?
        var messages: [Message]

        private enum CodingKeys: String, CodingKey {
            case total, offset, limit, messages
            case nextCursor = "next_cursor"
        }

        var names: [String] { messages.compactMap(\.name) }
    }

    var path: String { "/channels/\(channel)/messages" }

    func get(
        _ path: String, _ authorization: String? = nil
    ) async throws -> HTTPClient.Response {
        try await stack.client("reader-postgres").get(
            path, headers: ["Authorization": authorization ?? "Bearer \(token)"])
    }

    func page(_ query: String) async throws -> Page {
        try Stack.expect(200, await get("\(path)?\(query)"), query).json(Page.self)
    }

    /// The stable slug of a refusal.
    func reason(_ response: HTTPClient.Response) throws -> String {
        struct Problem: Decodable { var reason: String }
        return try response.json(Problem.self).reason
    }
}
