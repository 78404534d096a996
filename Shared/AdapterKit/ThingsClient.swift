// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import NIOCore

/// The questions that `things` answers over the bus.
public struct ThingsClient: Sendable {
    private let bus: any Bus
    private let timeout: Duration

    /// - Parameter timeout: for one question; `things` answers each with one indexed query.
    public init(bus: any Bus, timeout: Duration = .seconds(2)) {
        self.bus = bus
        self.timeout = timeout
    }

    /// Whose key it is; nil when no enabled thing has it.
    public func identify(keyHash: String) async throws(BusError) -> IdentifyResponse.Thing? {
        let response: IdentifyResponse = try await call(
            Subjects.identifyThing, IdentifyRequest(keyHash: keyHash), timeout: timeout)
        return response.thing
    }

    /// What a thing may do on a channel.
    public func authorize(
        thing: ThingID, channel: ChannelReference
    ) async throws(BusError) -> AuthorizeResponse.Outcome {
        let response: AuthorizeResponse = try await call(
            Subjects.authorizeThing, AuthorizeRequest(thing: thing, channel: channel.text, domain: channel.domain),
            timeout: timeout)
        return response.outcome
    }

    /// Which channel it is and whose, for a person's request; nil when there is none.
    public func lookUp(_ channel: ChannelReference) async throws(BusError) -> ChannelLookupResponse.Channel? {
        let response: ChannelLookupResponse = try await call(
            Subjects.lookUpChannel, ChannelLookupRequest(channel: channel.text, domain: channel.domain),
            timeout: timeout)
        return response.channel
    }

    private func call<Request: Encodable, Response: Decodable>(
        _ subject: String, _ request: Request, timeout: Duration
    ) async throws(BusError) -> Response {
        let payload: ByteBuffer
        do {
            payload = ByteBuffer(bytes: try JSONEncoder().encode(request))
        } catch {
            throw .protocolViolation("request to \(subject) cannot be encoded: \(error)")
        }
        let answer = try await bus.request(BusMessage(subject: subject, payload: payload), timeout: timeout).payload
        do {
            return try JSONDecoder().decode(Response.self, from: Data(answer.readableBytesView))
        } catch {
            throw .protocolViolation("answer on \(subject) cannot be decoded: \(error)")
        }
    }
}
