// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

@Suite("CoAP adapter: connections over TCP that behave badly")
struct ConnectionTests {
    private static let csm: [UInt8] = [0x00, 0xE1]

    private func residentBytes(_ stack: CoAPStack) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(stack.adapter.processIdentifier)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1])) << 10
    }

    @Test("Who asks and does not read the answers is not answered for ever")
    func unread() async throws {
        try await withCoAP { stack in
            try await stack.publish(String(repeating: "large", count: 100_000), "a")
            let request = stack.get(["a"]).frame
            let before = try residentBytes(stack)
            try await wire(port: stack.tcpPort, receiveBufferBytes: 4_096) { connection in
                // Max-Message-Size (RFC 8323 section 5.3.1): an answer may be as long as it likes.
                try connection.send([0x40, 0xE1, 0x23, 0x7F, 0xFF, 0xFF])
                for _ in 0..<400 {
                    try connection.send(request)
                    usleep(5_000)
                }
            }
            try await eventually("requests are passed over") {
                try await stack.metric(#"martlet_coap_ignored_total{reason="unread-answers"}"#) > 0
            }
            #expect(try residentBytes(stack) - before < 64 << 20)
            #expect(try await CoAPClient(port: stack.port).exchange(stack.post("x")).codeText == "2.04")
        }
    }

    @Test("Who pings and does not read the answers is cut off")
    func pings() async throws {
        try await withCoAP { stack in
            try await wire(port: stack.tcpPort, receiveBufferBytes: 4_096) { connection in
                try connection.send(Self.csm)
                let pings = Array(repeatElement([0x00, 0xE2] as [UInt8], count: 16_384).joined())
                // Until the server has closed it.
                for _ in 0..<1_000 {
                    guard (try? connection.send(pings)) != nil else { break }
                }
            }
            #expect(
                try await stack.metric(#"martlet_coap_connections_cut_off_total{reason="unread-answers"}"#) == 1)
            #expect(try await CoAPClient(port: stack.port).exchange(stack.post("x")).codeText == "2.04")
        }
    }

    @Test("One address does not have all connections")
    func many() async throws {
        try await withCoAP { stack in
            let connections = try (0..<300).map { _ in try RawConnection(port: stack.tcpPort) }
            try await eventually("some are cut off") {
                try await stack.metric(#"martlet_coap_connections_cut_off_total{reason="connections-maximum"}"#) >= 44
            }
            #expect(connections.count == 300)
        }
    }
}
