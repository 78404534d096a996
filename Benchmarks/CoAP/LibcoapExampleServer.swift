// SPDX-License-Identifier: Apache-2.0
import TestKit

/// libcoap's own `coap-server-openssl`, the limit: it keeps a body in memory and does nothing else, asks nobody and stores nothing.
final class LibcoapExampleServer: RunningCoAPServer {
    static let program = "coap-server-openssl"

    private let directory: TemporaryDirectory
    private var process: ServiceProcess
    private let port: Int
    private static let key = SecureCoAPSocket.Key(
        identity: "bench", secret: Array("a-secret-of-32-bytes-for-a-bench".utf8))

    init() async throws {
        directory = try TemporaryDirectory("bench-libcoap")
        // DTLS is on the next port.
        port = try FreePort.pair()
        process = try Self.start(port, log: directory.file("server.log"))
        try await server.waitUntilServing()
    }

    private static func start(_ port: Int, log: String) throws -> ServiceProcess {
        // -N: notifications are non-confirmable but for every sixth, not all confirmable.
        try ServiceProcess(
            program: Executables.system(program),
            arguments: [
                "-A", "127.0.0.1", "-p", String(port), "-N", "-v", "0", "-h", "bench",
                "-k", String(decoding: key.secret, as: UTF8.self),
            ],
            log: log)
    }

    /// It looks at all of its peers for every datagram, and keeps them for five minutes.
    func startAgain() async throws {
        try await process.terminate()
        process = try Self.start(port, log: directory.file("server.log"))
        try await server.waitUntilServing()
    }

    var server: CoAPServer {
        let publication = CoAPDatagram.request(
            .confirmable, .put, "/example_data", messageID: 0, token: [0, 0, 0, 0],
            options: [.init(CoAPDatagram.Number.contentFormat, CoAPServer.contentFormat)],
            payload: CoAPServer.payload)
        return CoAPServer(
            name: Self.program, port: port, securePort: port + 1, publications: [publication],
            securePublications: [(publication, Self.key)],
            observations: [
                .request(
                    .confirmable, .get, "/example_data", messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.observe, 0)])
            ], members: [.init(name: Self.program, process: process)])
    }

    func stop() async throws { try await process.terminate() }
}
