// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// `coap-adapter` beside libcoap's own example server: requests a second, processor time a request, notifications to observers.
struct CoAPBenchmark {
    static let shapes = [
        CoAPLoad.Shape(clients: 1, window: 1), CoAPLoad.Shape(clients: 1, window: 16),
        CoAPLoad.Shape(clients: 500, window: 1),
    ]

    let options: BenchmarkOptions
    private let observers: Int
    let rate: Int
    private let part: String

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        observers = try options.number("observers", default: 1_000)
        rate = try options.number("rate", default: 5_000)
        part = options.rest["part"] ?? "all"
        guard ["all", "load", "paced", "observers", "dtls"].contains(part) else {
            throw BenchmarkFailure(description: "--part wants load, paced, observers or dtls")
        }
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        var running: [any RunningCoAPServer] = []
        let wanted = options.rest["server"]
        guard wanted == nil || wanted == AdapterServer.executable || wanted == LibcoapExampleServer.program else {
            throw BenchmarkFailure(
                description: "--server wants \(AdapterServer.executable) or \(LibcoapExampleServer.program)")
        }
        if wanted != AdapterServer.executable { running.append(try await LibcoapExampleServer()) }
        let isBuilt = (try? Executables.path(AdapterServer.executable)) != nil
        if wanted == AdapterServer.executable || (wanted == nil && isBuilt) {
            running.append(try await AdapterServer(things: 500))
        }
        let servers = running.map(\.server)
        var load = ResultTable(
            title: "Confirmable, 64 B of SenML",
            columns: [
                "", "requests/s", "server CPU µs a request", "CPU µs of the bus besides", "generator busy %",
            ])
        var paced = ResultTable(
            title: "Non-confirmable, 500 clients, \(rate.formatted()) requests/s",
            columns: [
                "", "sent/s", "answered %", "server CPU µs a request", "CPU µs of the bus besides", "generator busy %",
            ])
        var observing = ResultTable(
            title:
                "\(observers.formatted()) observers of one resource, the next message once all were told of the one before, or none was for 50 ms",
            columns: [
                "", "notifications/s", "messages/s", "told %", "server CPU µs a notification",
                "CPU µs of the bus besides", "generator busy %",
            ])
        var secure = SecureTables(rate: rate)
        if part == "all" || part == "dtls" {
            for server in running {
                progress("coap: memory of DTLS sessions, \(server.server.name)")
                try measureMemory(server.server, into: &secure)
            }
        }
        for round in 1...options.runs {
            for server in running {
                progress("coap: run \(round) of \(options.runs), \(server.server.name)")
                if part == "all" || part == "load" { try await measureLoad(server, into: &load) }
                if part == "all" || part == "paced" { try await measurePaced(server, into: &paced) }
                if part == "all" || part == "observers" { try await measureObservers(server, into: &observing) }
                if part == "all" || part == "dtls" { try await measureSecure(server, into: &secure) }
            }
        }
        for server in running { try await server.stop() }
        return BenchmarkReport(
            name: "coap", title: "CoAP", method: method(servers), machine: machine,
            tables: [load, paced, observing].filter { !$0.rows.isEmpty } + secure.all)
    }

    private func method(_ servers: [CoAPServer]) -> [String] {
        var lines = [
            "CoAP over UDP on loopback, with DTLS where a table says so; one load generator for both, on one thread; runs interleaved on the same cores.",
            "\(LibcoapExampleServer.program) is libcoap 4.3.1's example: PUT replaces a body in its memory. It authenticates nobody, checks nothing, stores nothing and recognises no repetition of an earlier message ID: it is the limit of the library that the adapter uses. It begins anew before each measurement, because it becomes slower by every peer that it has seen.",
            "coap-adapter: POST to a channel with ?auth=<key>, a thing of its own for each client; key and right are known after the first request, the SenML is checked, repetitions are recognised, and 2.04 is sent after the bus has synced the message to disk.",
            "A client has one confirmable request (or 16) under way and sends the next when it is answered; after 60,000 message IDs, which must not come again within 247 s, it goes on from another port. What is not acknowledged is sent again after 2 s.",
            "DTLS 1.2 with PSK-AES128-GCM-SHA256: OpenSSL on both sides, an association and a port for each client, made before the clock starts; at coap-adapter each with a thing's own key and without ?auth. A session's memory is the growth of the process by 500 sessions of one answered request each, three times.",
            "CPU is of the server's process, divided by answered requests or notifications; the bus's beside it.",
        ]
        if !servers.contains(where: { $0.name == AdapterServer.executable }) {
            lines.append("\(AdapterServer.executable) was not measured.")
        }
        return lines
    }

    static func microseconds(_ processorSeconds: [Double], _ index: Int, of count: Int) -> Double {
        processorSeconds.indices.contains(index) ? processorSeconds[index] * 1e6 / Double(max(1, count)) : .nan
    }

    private func measureLoad(_ running: any RunningCoAPServer, into table: inout ResultTable) async throws {
        for shape in Self.shapes {
            try await running.startAgain()
            let server = running.server
            let outcome = try CoAPLoad(shape, server).run(seconds: options.seconds(default: 2))
            add(outcome, shape, server, to: &table)
        }
    }

    func add(_ outcome: CoAPLoad.Outcome, _ shape: CoAPLoad.Shape, _ server: CoAPServer, to table: inout ResultTable) {
        let name = "\(shape.name): \(server.name)"
        table.add(
            [
                Double(outcome.answered) / outcome.seconds,
                Self.microseconds(outcome.processorSeconds, 0, of: outcome.answered),
                Self.microseconds(outcome.processorSeconds, 1, of: outcome.answered),
                100 * outcome.generatorShare,
            ], to: name)
        if outcome.refused + outcome.repeated + outcome.unanswered > 0 {
            let code = outcome.refusal.map { " (\($0))" } ?? ""
            table.notes.append(
                "\(name): \(outcome.refused) refused\(code), \(outcome.repeated) sent again, \(outcome.unanswered) never answered."
            )
        }
    }

    private func measurePaced(_ running: any RunningCoAPServer, into table: inout ResultTable) async throws {
        try await running.startAgain()
        let server = running.server
        let load = CoAPPacedLoad(clients: 500, requestsPerSecond: rate, server: server)
        try add(load.run(seconds: options.seconds(default: 2)), server, to: &table)
    }

    func add(_ outcome: CoAPPacedLoad.Outcome, _ server: CoAPServer, to table: inout ResultTable) {
        table.add(
            [
                Double(outcome.sent) / outcome.seconds, 100 * Double(outcome.answered) / Double(max(1, outcome.sent)),
                Self.microseconds(outcome.processorSeconds, 0, of: outcome.answered),
                Self.microseconds(outcome.processorSeconds, 1, of: outcome.answered), 100 * outcome.generatorShare,
            ], to: server.name)
        if outcome.refused > 0 { table.notes.append("\(server.name): \(outcome.refused) refused.") }
    }

    private func measureObservers(_ running: any RunningCoAPServer, into table: inout ResultTable) async throws {
        try await running.startAgain()
        let server = running.server
        let outcome = try CoAPObserving(observers: observers, server: server).run(seconds: options.seconds(default: 3))
        table.add(
            [
                Double(outcome.notifications) / outcome.seconds, Double(outcome.publications) / outcome.seconds,
                100 * Double(outcome.notifications) / Double(max(1, outcome.notifications + outcome.missing)),
                Self.microseconds(outcome.processorSeconds, 0, of: outcome.notifications),
                Self.microseconds(outcome.processorSeconds, 1, of: outcome.notifications),
                100 * outcome.generatorShare,
            ], to: server.name)
    }
}
