// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Glibc
import TestKit
import Testing

/// `martlet simulate`: what it says it sent is what the database holds, whatever happens meanwhile.
@Suite(.serialized) struct CLISimulationTests {
    private func client(_ door: FrontDoor) async throws -> MartletClient {
        let client = try MartletClient(url: door.url)
        try await client.expect(
            0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword)
        return client
    }

    private static func channel(_ report: [String: Any]) throws -> ChannelID {
        try #require((report["channel"] as? String).flatMap { ChannelID($0) })
    }

    /// The year of readings that ``AirQualityReplayTests`` sends by hand: read, sent, and checked by the client itself.
    @Test func airQualityFileIsReplayedAndEverySumIsRight() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try await client(door)
        let report = try await client.expect(
            0, "simulate", "--csv", "Tests/Data/air-quality-uci.csv", "--time-columns", "Date,Time", "--time-format",
            "%m/%d/%Y %H:%M:%S", "--missing", "-200", "--base-name", "station-1:", "--verify", "--keep", "--json"
        ).json()

        // Against the file, read independently, and the database, asked directly.
        let data = try AirQualityData(contentsOf: Repository.file("Tests/Data/air-quality-uci.csv"))
        let expected = data.totals
        #expect(report["accepted"] as? Int == data.rows.count { !$0.readings.isEmpty })
        #expect(report["readings"] as? Int == expected.values.reduce(0) { $0 + $1.count })
        let verified = try #require(report["verified"] as? [String: Any])
        #expect(verified["agrees"] as? Bool == true)
        #expect(verified["names"] as? Int == expected.count)
        let stored = try await stack.storedTotals(Self.channel(report))
        #expect(stored.count == expected.count)
        for (column, total) in expected {
            let found = try #require(stored["station-1:" + AirQualityData.senmlName(column)])
            #expect(found.count == total.count, "\(column)")
            #expect(abs(found.sum - total.sum) <= 1e-9 * max(1, abs(total.sum)), "\(column)")
        }
        let latency = try #require(report["latency_ms"] as? [String: Double])
        #expect(try #require(latency["p50"]) <= #require(latency["p99"]))
        #expect(try #require(latency["p99"]) <= #require(latency["max"]))
        try await stack.stop()
    }

    /// Processes are killed while it sends: every message is there, and none twice.
    @Test func killsMeanwhileNeitherLoseNorDouble() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try await client(door)
        let running = try client.start([
            "simulate", "--devices", "20", "--rate", "20", "--duration", "12s", "--jitter", "1", "--ramp", "1s",
            "--retries", "50", "--in-flight", "64", "--verify", "--keep", "--json",
        ])
        for service in ["http-adapter", "bus", "writer-postgres"] {
            let before = try await stack.storedRecords()
            try await running.process.wait("messages are stored") {
                try await stack.storedRecords() > before
            }
            try await stack.killAndRestart(service)
        }
        let run = try await running.finish()
        #expect(run.status == .exited(0), "\(run)")
        let report = try run.json()
        let accepted = try #require(report["accepted"] as? Int)
        #expect((report["verified"] as? [String: Any])?["agrees"] as? Bool == true)
        // What was killed cost attempts, or this shows nothing.
        #expect(try #require(report["retries"] as? Int) > 0)
        let stored = try await stack.storedTotals(Self.channel(report))
        #expect(stored.count == 60)
        #expect(stored.values.reduce(0) { $0 + $1.count } == accepted * 3)
        try await stack.stop()
    }

    /// The same by MQTT, with the server of that killed, too.
    @Test func killsMeanwhileNeitherLoseNorDoubleByMQTT() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try await client(door)
        let running = try client.start([
            "simulate", "--protocol", "mqtt", "--mqtt", "mqtt://127.0.0.1:\(stack.mqttPort)", "--devices", "20",
            "--rate", "20", "--duration", "12s", "--jitter", "1", "--ramp", "1s", "--retries", "50", "--in-flight",
            "64", "--verify", "--keep", "--json",
        ])
        for service in ["mqtt-adapter", "bus", "mqtt-adapter"] {
            let before = try await stack.storedRecords()
            try await running.process.wait("messages are stored") { try await stack.storedRecords() > before }
            try await stack.killAndRestart(service)
        }
        let run = try await running.finish()
        #expect(run.status == .exited(0), "\(run)")
        let report = try run.json()
        let accepted = try #require(report["accepted"] as? Int)
        #expect((report["verified"] as? [String: Any])?["agrees"] as? Bool == true)
        #expect(try #require(report["retries"] as? Int) > 0)
        let stored = try await stack.storedTotals(Self.channel(report))
        #expect(stored.values.reduce(0) { $0 + $1.count } == accepted * 3)
        // Its sessions are gone with it.
        #expect(try await stack.metric("mqtt-adapter", "martlet_mqtt_connections") == 0)
        let sessions = try await client.expect(0, "clients", "--json").json()
        #expect(sessions["total"] as? Int == 0)
        try await stack.stop()
    }

    @Test func whatWasMadeIsTakenAwayAlsoByCtrlC() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try await client(door)
        try await client.expect(0, "simulate", "--devices", "3", "--count", "2", "--rate", "0", "--verify")
        #expect(try await client.expect(0, "things", "--json").json()["total"] as? Int == 0)

        let endless = try client.start(["simulate", "--devices", "5", "--rate", "10", "--json"])
        try await endless.process.wait("messages are stored") { try await stack.storedRecords() > 100 }
        endless.process.signal(SIGINT)
        let run = try await endless.finish()
        #expect(run.status == .exited(130), "\(run)")
        #expect(try #require(run.json()["accepted"] as? Int) > 0)
        #expect(try await client.expect(0, "things", "--json").json()["total"] as? Int == 0)
        #expect(try await client.expect(0, "channels", "--json").json()["total"] as? Int == 0)
        try await stack.stop()
    }

    @Test func ownThingAndChannelAreUsedTwiceAndEachIsVerifiedForItself() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try await client(door)
        try await client.expect(0, "things", "create", "meter")
        try await client.expect(0, "channels", "create", "cellar", "--route", "cellar")
        try await client.expect(0, "connect", "meter", "cellar")
        let csv = client.home.file("meter.csv")
        try Data("zeit;Zählerstand;Störung\n01.02.2026 00:00;1234,5;n/a\n01.02.2026 01:00;1235,25;2\n".utf8)
            .write(to: URL(fileURLWithPath: csv))
        for _ in 0..<2 {
            let report = try await client.expect(
                0, "simulate", "--thing", "meter", "--channel", "cellar", "--csv", csv, "--delimiter", ";",
                "--time-columns", "zeit", "--time-format", "%d.%m.%Y %H:%M", "--decimal-comma", "--missing", "n/a",
                "--column", "Zählerstand=energy[kWh]", "--column", "Störung=faults", "--speed", "7200", "--verify",
                "--json"
            ).json()
            #expect(report["readings"] as? Int == 3)
            #expect((report["verified"] as? [String: Any])?["agrees"] as? Bool == true)
        }
        let rows = try await client.expect(0, "read", "cellar", "--name", "energy", "--oldest-first", "--json").lines()
        #expect(rows.map { $0["value"] as? Double } == [1234.5, 1234.5, 1235.25, 1235.25])
        #expect(rows.allSatisfy { $0["unit"] as? String == "kWh" })
        #expect(rows.first?["time"] as? Double == 1_769_904_000)
        // The thing and the channel are still there.
        try await client.expect(0, "things", "view", "meter")

        try await client.expect(0, "disconnect", "meter", "cellar")
        try await eventually("nothing is accepted any more") {
            try await client.run(["publish", "cellar", "x=1"]).status != .exited(0)
        }
        let refused = try await client.expect(
            1, "simulate", "--thing", "meter", "--channel", "cellar", "--count", "3", "--rate", "0", "--json"
        ).json()
        let reasons = try #require(refused["refused"] as? [String: Int])
        #expect(reasons.values.reduce(0, +) == 3)
        try await client.expect(2, "simulate", "--csv", csv)
        try await stack.stop()
    }
}
