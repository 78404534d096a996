// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore
import Testing

@testable import CoAPAdapter

@Suite struct RequestTests {
    private func options(_ path: [String], _ query: [String] = []) -> CoAPOptions {
        var options = CoAPOptions()
        options.path = path.map { Array($0.utf8) }
        options.query = query.map { Array($0.utf8) }
        return options
    }

    private func added(_ number: UInt16, _ values: [[UInt8]]) -> CoAPOptions {
        var options = CoAPOptions()
        for value in values { value.withUnsafeBytes { options.add(number, $0) } }
        return options
    }

    @Test("Segments are read as they are: a slash or percent sign in one is no syntax")
    func paths() throws {
        let channel = "2b7c6c5e-0c0f-4c6e-9a3e-5f0d8f1d7a11"
        let plain = try RequestTarget(
            options(["channels", channel, "messages", "a", "b"], ["x=1", "auth=k%3D&"]), isFilter: false)
        guard case .messages(let path) = plain.resource else { throw PathError.unknownPath }
        #expect(path.subtopic == "a.b")
        #expect(path.channel.text == channel)
        #expect(plain.key == "k%3D&")
        #expect(try RequestTarget(options([".well-known", "core"]), isFilter: true).resource == .wellKnownCore)
        let filter = try RequestTarget(options(["m", "d", "c", "e", "+", "#"]), isFilter: true)
        guard case .messages(let wild) = filter.resource else { throw PathError.unknownPath }
        #expect(wild.subtopic == "*.>")
        for (path, reason) in [
            (["channels", channel, "messages", "50%"], nil), (["channels", channel, "messages", "a b"], "path-space"),
            (["channels", channel], "path-unknown"), (["channels", "a.b", "messages"], "path-channel"),
            ([], "path-unknown"),
        ] as [([String], String?)] {
            #expect(refusal(options(path))?.reason == reason, "\(path)")
        }
    }

    private func refusal(_ options: CoAPOptions) -> Refusal? {
        do throws(Refusal) {
            _ = try RequestTarget(options, isFilter: false)
            return nil
        } catch {
            return error
        }
    }

    @Test("Options that must be understood are refused when they are repeated or too long, others are left out")
    func options() {
        #expect(added(12, [[110]]).contentFormat == 110)
        #expect(added(12, [[]]).contentFormat == 0)
        #expect(added(12, [[1], [2]]).malformed == 12)
        #expect(added(17, [[0, 0, 1]]).malformed == 17)
        #expect(added(27, [[0, 0, 0, 1]]).malformed == 27)
        #expect(added(23, [[0x3E]]).block2 == CoAPBlock(number: 3, isMore: true, sizeExponent: 6))
        #expect(added(6, [[0, 0, 0, 0]]).observe == nil)
        #expect(added(4, [[], [1], [UInt8](repeating: 1, count: 9)]).eTags == [[1]])
        #expect(added(1, [[1]]).isConditional)
        let other = added(999, [[1]])
        #expect(other.malformed == nil && !other.isConditional && other.eTags.isEmpty && other.path.isEmpty)
    }

    @Test("No-Response names the classes that are not wanted (RFC 7967 section 2.1)")
    func noResponse() {
        #expect(added(258, [[2]]).suppresses(.changed))
        #expect(!added(258, [[2]]).suppresses(.badRequest))
        #expect(added(258, [[8]]).suppresses(.badRequest))
        #expect(added(258, [[16]]).suppresses(.serviceUnavailable))
        #expect(!added(258, [[]]).suppresses(.changed))
        #expect(!CoAPOptions().suppresses(.changed))
    }

    @Test("Every kind of refusal has a code", arguments: ServiceError.Kind.allCases)
    func codes(kind: ServiceError.Kind) {
        let refusal = Refusal(ServiceError(kind, reason: "r", "Words.", retryAfterSeconds: 7))
        #expect(refusal.code.codeClass == (kind == .unavailable || kind == .internalFailure ? 5 : 4))
        #expect(refusal.response.maxAge == 7)
        #expect(String(buffer: refusal.response.payload) == "Words.")
    }

    @Test("A name for the bus is the same for what comes again, and another for everything else")
    func names() {
        func request(port: UInt16 = 1, messageID: UInt16 = 2, path: String = "a", payload: String = "p") -> CoAPRequest
        {
            CoAPRequest(
                method: .post, transport: .udp, peer: PeerAddress(ipv4: 1, port: port), session: 0, isConfirmable: true,
                messageID: messageID, token: .empty, options: options([path]), payload: ByteBuffer(string: payload))
        }
        let name = MessageName.of(request())
        #expect(name?.utf8.count == 35)
        #expect(MessageName.of(request()) == name)
        let others = [
            request(port: 3), request(messageID: 3), request(path: "b"), request(payload: "q"),
            request(path: "ap", payload: ""),
        ].map { MessageName.of($0) }
        #expect(Set(others + [name]).count == 6)
        var secure = request()
        secure.transport = .dtls
        #expect(MessageName.of(secure) == nil)
    }
}
