// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// The main job on real input: a year of readings, sent by a device over HTTP, is in PostgreSQL exactly once and read back over the API.
@Suite(.serialized) struct AirQualityReplayTests {
    @Test func everyReadingIsStoredOnceAndReadBack() async throws {
        let data = try AirQualityData(contentsOf: Repository.file("Tests/Data/air-quality-uci.csv"))
        #expect(data.rows.count == 9357)
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)

        let packs = data.rows.compactMap(AirQualityData.pack)
        let statuses = try await Replay.send(packs, stack: stack, device: device, connections: 8)
        #expect(statuses == [202: packs.count])

        let channel = try #require(ChannelID(device.channel))
        let expected = Dictionary(
            uniqueKeysWithValues: data.totals.map { ("station-1:" + AirQualityData.senmlName($0.key), $0.value) })
        let readings = expected.values.reduce(0) { $0 + $1.count }
        try await eventually("all \(readings) readings are stored", deadline: .seconds(120)) {
            try await stack.storedTotals(channel).values.reduce(0) { $0 + $1.count } >= readings
        }

        let stored = try await stack.storedTotals(channel)
        #expect(Set(stored.keys) == Set(expected.keys))
        for (name, total) in expected {
            let found = try #require(stored[name])
            #expect(found.count == total.count, "\(name)")
            // The same doubles, added in another order.
            #expect(abs(found.sum - total.sum) <= 1e-9 * max(1, abs(total.sum)), "\(name)")
        }

        try await readBack(stack, device, token: token, expected: expected)
        try await stack.stop()
    }

    private struct Page: Decodable {
        struct Message: Decodable {
            let name: String
            let time: Double
            let value: Double
        }
        let total: Int
        let messages: [Message]
    }

    private func readBack(
        _ stack: Stack, _ device: Stack.Device, token: String, expected: [String: AirQualityData.Total]
    ) async throws {
        let reader = stack.client("reader-postgres", headers: ["Authorization": "Bearer \(token)"])
        let name = "station-1:CO_GT_"
        var offset = 0
        var sum = 0.0
        var count = 0
        while true {
            let path = "/channels/\(device.channel)/messages?name=\(name)&limit=1000&offset=\(offset)"
            let page = try Stack.expect(200, await reader.get(path), "read").json(Page.self)
            #expect(page.total == expected[name]?.count)
            #expect(page.messages.allSatisfy { $0.name == name })
            if page.messages.isEmpty { break }
            sum += page.messages.reduce(0) { $0 + $1.value }
            count += page.messages.count
            offset += page.messages.count
        }
        let total = try #require(expected[name])
        #expect(count == total.count)
        #expect(abs(sum - total.sum) <= 1e-9 * abs(total.sum))
        // The first hour of the file: 2004-03-10T18:00:00Z.
        let first = try await reader.get(
            "/channels/\(device.channel)/messages?name=\(name)&from=1078941600&to=1078941601")
        let page = try Stack.expect(200, first, "read").json(Page.self)
        #expect(page.messages.map(\.value) == [2.6])
        #expect(page.messages.map(\.time) == [1_078_941_600])
    }
}

/// Sends packs over several connections, each worker its share in order.
enum Replay {
    static func send(
        _ packs: [String], stack: Stack, device: Stack.Device, connections: Int
    ) async throws -> [Int: Int] {
        let port = stack.ports["http-adapter"] ?? 0
        return await withTaskGroup(of: [Int: Int].self) { group in
            for worker in 0..<connections {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        Thread.detachNewThread {
                            continuation.resume(
                                returning: sendShare(packs, worker, connections, port: port, device: device))
                        }
                    }
                }
            }
            return await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    private static func sendShare(
        _ packs: [String], _ worker: Int, _ workers: Int, port: Int, device: Stack.Device
    ) -> [Int: Int] {
        let connection = BlockingHTTPConnection(port: port)
        let headers = [("Authorization", "Thing \(device.key)"), ("Content-Type", "application/senml+json")]
        var statuses: [Int: Int] = [:]
        for index in stride(from: worker, to: packs.count, by: workers) {
            let response = try? connection.send(
                "POST", device.publishPath, headers: headers, body: Array(packs[index].utf8))
            statuses[response?.status ?? 0, default: 0] += 1
        }
        return statuses
    }
}
