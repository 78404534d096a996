// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Logging
import NIOCore
import Observability
import ServiceKit
import TestKit
import Testing

@testable import HTTPKit

/// Clients of a management API that are too slow lose their connection, and only they.
@Suite struct ConnectionDeadlineTests {
    private static let pieceBytes = 256 << 10
    /// More than the kernel's buffers of both ends take.
    private static let pieces = 256

    /// An API with one operation that reads its body and one whose answer is large.
    private static func with(
        _ deadlines: ConnectionDeadlines, _ body: (_ port: Int, _ environment: ServiceEnvironment) async throws -> Void
    ) async throws {
        let environment = ServiceEnvironment(
            name: "test", configuration: try await ServiceConfiguration([], overriding: [:]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let http = HTTPApplication(
            environment: environment, title: "Test", verifier: nil, deadlines: deadlines)
        http.routes.undocumented(.post, "/length") { request, _ in
            let body = try await request.body.collect(upTo: 1 << 20)
            return Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(string: "\(body.readableBytes)")))
        }
        http.routes.undocumented(.get, "/large") { _, _ in
            Response(
                status: .ok,
                body: ResponseBody { writer in
                    let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: pieceBytes)
                    for _ in 0..<pieces { try await writer.write(piece) }
                    try await writer.finish(nil)
                })
        }
        let group = ServiceGroup(
            services: [http.service(host: "127.0.0.1", port: 0)], logger: environment.logger)
        let run = Task { try await group.run() }
        do {
            try await body(await environment.httpPort.value(), environment)
        } catch {
            run.cancel()
            _ = await run.result
            throw error
        }
        run.cancel()
        _ = await run.result
    }

    private static func cut(_ environment: ServiceEnvironment, _ reason: String) -> Bool {
        environment.metrics.exposition().contains(#"martlet_http_connections_cut_total{reason="\#(reason)"} 1"#)
    }

    /// On a thread of its own: the plain client blocks.
    private static func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value
    {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    @Test func aBodyThatTricklesInIsAnsweredAndCut() async throws {
        try await Self.with(ConnectionDeadlines(body: .milliseconds(500))) { port, environment in
            let said = try await Self.blocking {
                let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 30)
                let head = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
                try connection.send(raw: Array(head.utf8))
                for _ in 0..<1000 {
                    do {
                        try connection.send(raw: [UInt8(ascii: "a")])
                    } catch {
                        break
                    }
                    Thread.sleep(forTimeInterval: 0.02)
                }
                return String(decoding: try connection.receiveToEnd(), as: UTF8.self)
            }
            // Where the last byte crossed the answer, the kernel may have thrown the answer away with a reset.
            #expect(said.isEmpty || said.hasPrefix("HTTP/1.1 408 ") && said.contains(#""reason":"request-too-slow""#))
            #expect(Self.cut(environment, "request-too-slow"))
        }
    }

    @Test func aBodyThatNeverComesIsAnsweredAndCut() async throws {
        try await Self.with(ConnectionDeadlines(body: .milliseconds(200))) { port, environment in
            let said = try await Self.blocking {
                let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 30)
                try connection.send(raw: Array("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab".utf8))
                return String(decoding: try connection.receiveToEnd(), as: UTF8.self)
            }
            #expect(said.hasPrefix("HTTP/1.1 408 ") && said.contains(#""reason":"request-too-slow""#), "\(said)")
            #expect(Self.cut(environment, "request-too-slow"))
        }
    }

    @Test func aHeadThatTricklesInIsCutByTheIdleDeadline() async throws {
        try await Self.with(ConnectionDeadlines(idle: .milliseconds(500))) { port, _ in
            let isCut = try await Self.blocking {
                let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 30)
                try connection.send(raw: Array("GET / HTTP/1.1\r\nX-Slow: ".utf8))
                for _ in 0..<1000 {
                    do {
                        try connection.send(raw: [UInt8(ascii: "a")])
                    } catch {
                        return true
                    }
                    Thread.sleep(forTimeInterval: 0.02)
                }
                return false
            }
            #expect(isCut)
        }
    }

    @Test func anAnswerThatNobodyReadsIsGivenUp() async throws {
        try await Self.with(ConnectionDeadlines(answer: .milliseconds(500))) { port, environment in
            let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 30)
            try connection.send(raw: Array("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            try await eventually("the answer is given up") { Self.cut(environment, "answer-not-read") }
            // What the kernel had taken is still there; the rest is not, and no last chunk pretends that it was all.
            let received = try connection.receiveToEnd()
            #expect(received.count < Self.pieces * Self.pieceBytes)
            #expect(!received.suffix(5).elementsEqual("0\r\n\r\n".utf8))
            let other = BlockingHTTPConnection(port: port)
            #expect(try other.send("POST", "/length", body: Array("abc".utf8)).text == "3")
        }
    }

    /// Slower than the deadline altogether, but never silent for so long.
    @Test func anAnswerThatIsReadSlowlyComesWhole() async throws {
        try await Self.with(ConnectionDeadlines(body: .milliseconds(400), answer: .milliseconds(400))) {
            port, environment in
            let received = try await Self.blocking {
                let connection = BlockingHTTPConnection(port: port, timeoutSeconds: 30)
                try connection.send(raw: Array("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8))
                var received = 0
                while true {
                    let count = try connection.receiveSome(atMost: 1 << 20)
                    if count == 0 { return received }
                    received += count
                    Thread.sleep(forTimeInterval: 0.01)
                }
            }
            #expect(received > Self.pieces * Self.pieceBytes)
            #expect(!Self.cut(environment, "answer-not-read") && !Self.cut(environment, "request-too-slow"))
        }
    }
}
