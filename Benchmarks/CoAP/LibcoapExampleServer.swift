// SPDX-License-Identifier: Apache-2.0
import TestKit

/// libcoap's own `coap-server-notls`, the limit: it keeps a body in memory and does nothing else, asks nobody and stores nothing.
final class LibcoapExampleServer: RunningCoAPServer {
    static let program = "coap-server-notls"

    private let directory: TemporaryDirectory
    private let process: ServiceProcess
    private let port: Int

    init() async throws {
        directory = try TemporaryDirectory("bench-libcoap")
        port = try FreePort.next()
        // -N: notifications are non-confirmable but for every sixth, not all confirmable.
        process = try ServiceProcess(
            program: Executables.system(Self.program),
            arguments: ["-A", "127.0.0.1", "-p", String(port), "-N", "-v", "0"],
            log: directory.file("server.log"))
        try await server.waitUntilServing()
    }

    var server: CoAPServer {
        CoAPServer(
            name: Self.program, port: port,
            publications: [
                .request(
                    .confirmable, .put, "/example_data", messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.contentFormat, CoAPServer.contentFormat)],
                    payload: CoAPServer.payload)
            ],
            observations: [
                .request(
                    .confirmable, .get, "/example_data", messageID: 0, token: [0, 0, 0, 0],
                    options: [.init(CoAPDatagram.Number.observe, 0)])
            ], members: [.init(name: Self.program, process: process)])
    }

    func stop() async throws { try await process.terminate() }
}
