// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

// The same over DTLS 1.2 with pre-shared keys.
extension CoAPBenchmark {
    /// Sessions that are opened at a time for the memory that they take.
    private static let sessions = 500

    struct SecureTables {
        var load = ResultTable(
            title: "DTLS, confirmable, 64 B of SenML",
            columns: [
                "", "requests/s", "server CPU µs a request", "CPU µs of the bus besides", "generator busy %",
            ])
        var paced: ResultTable
        var handshakes = ResultTable(
            title: "DTLS handshakes, 32 at a time",
            columns: ["", "handshakes/s", "server CPU µs a handshake", "generator busy %"])
        var memory = ResultTable(
            title: "Memory of an idle DTLS session, of 1,500 (RSS)", columns: ["", "KiB a session"])

        init(rate: Int) {
            paced = ResultTable(
                title: "DTLS, non-confirmable, 500 clients, \(rate.formatted()) requests/s",
                columns: [
                    "", "sent/s", "answered %", "server CPU µs a request", "CPU µs of the bus besides",
                    "generator busy %",
                ])
        }

        var all: [ResultTable] { [load, paced, handshakes, memory].filter { !$0.rows.isEmpty } }
    }

    /// On servers that have just begun: later a process has memory that it reuses.
    func measureMemory(_ server: CoAPServer, into tables: inout SecureTables) throws {
        guard let process = server.members.first?.process.processIdentifier else { return }
        func resident() throws -> Int { try MemoryUsage(of: process).residentBytes }
        // What the first ones need is not a session's.
        var kept = try CoAPHandshakes(server: server).open(50)
        for _ in 0..<options.runs {
            let before = try resident()
            kept += try CoAPHandshakes(server: server).open(Self.sessions)
            usleep(500_000)
            tables.memory.add(
                [Double(try resident() - before) / 1_024 / Double(Self.sessions)], to: server.name)
        }
        kept.leave()
        usleep(500_000)
    }

    func measureSecure(_ running: any RunningCoAPServer, into tables: inout SecureTables) async throws {
        let seconds = options.seconds(default: 2)
        for shape in Self.shapes {
            try await running.startAgain()
            let server = running.server
            let outcome = try CoAPLoad(shape, server, isSecure: true).run(seconds: seconds)
            add(outcome, shape, server, to: &tables.load)
        }
        try await running.startAgain()
        var server = running.server
        try add(
            CoAPPacedLoad(clients: 500, requestsPerSecond: rate, server: server, isSecure: true).run(seconds: seconds),
            server, to: &tables.paced)
        try await running.startAgain()
        server = running.server
        let outcome = try CoAPHandshakes(server: server).run(seconds: seconds)
        tables.handshakes.add(
            [
                Double(outcome.handshakes) / outcome.seconds,
                Self.microseconds(outcome.processorSeconds, 0, of: outcome.handshakes), 100 * outcome.generatorShare,
            ], to: server.name)
        if outcome.failures > 0 { tables.handshakes.notes.append("\(server.name): \(outcome.failures) failed.") }
    }
}
