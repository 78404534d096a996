// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import TestKit
import Testing

@testable import BusService

/// The executable: files, signals, crashes.
@Suite struct ProcessTests {
    private func start(_ directory: TemporaryDirectory, log: String = "bus.log", data: String = "data") throws
        -> ServiceProcess
    {
        try ServiceProcess.start(
            "bus",
            environment: [
                "MARTLET_BUS_SOCKET": directory.file("bus.sock"), "MARTLET_BUS_DATA": directory.file(data),
                "MARTLET_BUS_HTTP_PORT": "0", "MARTLET_BUS_TEST_ROLE": "true", "MARTLET_BUS_SEGMENT_BYTES": "1048576",
            ], log: directory.file(log))
    }

    private func connect(_ directory: TemporaryDirectory, _ process: ServiceProcess) async throws -> WireClient {
        var client: WireClient?
        try await process.wait("it accepts connections") {
            client = try? WireClient(directory.file("bus.sock"), as: "test")
            return client != nil
        }
        return try #require(client)
    }

    @Test func afterAKillEveryAcknowledgedMessageIsThereOnce() async throws {
        let directory = try TemporaryDirectory("bus")
        var process = try start(directory)
        var acknowledged: Set<String> = []
        var lastSequence: UInt64 = 0
        for round in 0..<3 {
            let client = try await connect(directory, process)
            var tokens: [UInt32: String] = [:]
            for number in 0..<2000 {
                let payload = "\(round)-\(number)"
                tokens[UInt32(number + 1)] = payload
                try client.send(Frames.publish("channels.c", payload, token: UInt32(number + 1), flags: .durable))
            }
            // Killed in the middle of it: after the first acknowledgements, with the rest under way.
            var count = 0
            while count < 200 * (round + 1) {
                let frame = try client.receive()
                try #require(frame.opcode == .stored)
                for offset in 0..<frame.storedCount {
                    acknowledged.insert(try #require(tokens[frame.token + offset]))
                    let sequence = frame.storedSequence + UInt64(offset)
                    #expect(sequence > lastSequence)
                    lastSequence = sequence
                }
                count += Int(frame.storedCount)
            }
            await process.kill()
            process = try process.startAgain()
        }
        let client = try await connect(directory, process)
        _ = try client.consume(7, "messages", consumer(messages: 100_000))
        try client.send(Frames.publish("channels.c", "end", token: 9, flags: .durable))
        let frames = try client.receive { $0.opcode == .streamDelivery && $0.payload == "end" }
        let delivered = frames.filter { $0.opcode == .streamDelivery }.map(\.payload)
        #expect(Set(delivered).count == delivered.count)
        #expect(acknowledged.isSubset(of: Set(delivered)))
        #expect(acknowledged.count >= 1200)
        let end = try await process.terminate()
        #expect(end == .exited(0))
    }

    /// Without descriptors nobody new is let in, and nobody is left hanging; who is there is served, and it mends itself.
    @Test func outOfDescriptorsItTurnsNewConnectionsAway() async throws {
        let directory = try TemporaryDirectory("bus")
        let process = try start(directory)
        let client = try await connect(directory, process)
        try client.send(Frames.publish("channels.c", "before", token: 1, flags: .durable))
        #expect(try client.receive().opcode == .stored)

        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.processIdentifier)/fd").count
        let limiting = try ServiceProcess(
            program: Executables.system("prlimit"),
            arguments: ["--pid", "\(process.processIdentifier)", "--nofile=\(open + 3):\(open + 3)"],
            log: directory.file("prlimit.log"))
        #expect(try await limiting.waitForExit() == .exited(0), "\(limiting.log)")
        var crowd = try (0..<20).map { _ in try WireClient(directory.file("bus.sock")) }
        try await process.waitForLog("no_descriptors")
        // A connection that was turned away reads its end; one that was let in answers.
        var turnedAway = 0
        for newcomer in crowd {
            do {
                try newcomer.send(Frames.hello("test"))
                _ = try newcomer.receive()
            } catch is WireClient.Broken {
                turnedAway += 1
            }
        }
        #expect((10..<20).contains(turnedAway), "\(turnedAway) of 20")
        try client.send(Frames.publish("channels.c", "meanwhile", token: 2, flags: .durable))
        #expect(try client.receive().opcode == .stored)

        crowd.removeAll()
        let late = try await connect(directory, process)
        try late.send(Frames.publish("channels.c", "after", token: 3, flags: .durable))
        #expect(try late.receive().opcode == .stored)
        #expect(try await process.terminate() == .exited(0))
    }

    @Test func acknowledgementsSurviveAKill() async throws {
        let directory = try TemporaryDirectory("bus")
        let process = try start(directory)
        let client = try await connect(directory, process)
        for number in 0..<100 {
            try client.send(Frames.publish("channels.c", "\(number)", token: UInt32(number + 1), flags: .durable))
        }
        _ = try client.consume(200, "messages", consumer())
        var last: UInt64 = 0
        while last < 60 {
            let frame = try client.receive()
            if frame.opcode == .streamDelivery { last = frame.sequence }
        }
        try client.acknowledge(200, .through, 60)
        let data = directory.file("data/streams/messages")
        let isSaved = { () -> Bool in
            guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: data + "/identity")),
                let id = LogIdentity(Array(bytes))?.stream,
                let store = try? ConsumerStore(directory: data, stream: id)
            else { return false }
            return store.recovered.first?.acknowledged.floor == 60
        }
        try await eventually("the position is on disk") { isSaved() }
        await process.kill()
        let again = try process.startAgain()
        let second = try await connect(directory, again)
        _ = try second.consume(1, "messages", consumer())
        let first = try second.receive()
        #expect(first.sequence == 61)
        try await again.terminate()
    }

    @Test func aSecondDaemonOnTheSameDataSaysSoAndEnds() async throws {
        let directory = try TemporaryDirectory("bus")
        let first = try start(directory)
        _ = try await connect(directory, first)
        let second = try start(directory, log: "second.log")
        #expect(try await second.waitForExit() == .exited(1))
        #expect(second.log.contains("another bus daemon uses this data directory"))
        // Nor may one with other data take the socket.
        let third = try start(directory, log: "third.log", data: "other")
        #expect(try await third.waitForExit() == .exited(1))
        #expect(third.log.contains("another daemon serves"))
        let client = try await connect(directory, first)
        #expect(try client.flush().isEmpty)
        #expect(try await first.terminate() == .exited(0))
        #expect(access(directory.file("bus.sock"), F_OK) != 0)
    }

    @Test func theSocketOfAKilledDaemonIsReplaced() async throws {
        let directory = try TemporaryDirectory("bus")
        let first = try start(directory)
        _ = try await connect(directory, first)
        await first.kill()
        #expect(access(directory.file("bus.sock"), F_OK) == 0)
        let second = try first.startAgain()
        _ = try await connect(directory, second)
        #expect(try await second.terminate() == .exited(0))
    }

    @Test func stoppingSyncsWhatWasPublishedAndTellsEverybody() async throws {
        let directory = try TemporaryDirectory("bus")
        let process = try start(directory)
        let client = try await connect(directory, process)
        try client.send(Frames.publish("channels.c", "unacknowledged"))
        _ = try client.flush()
        #expect(try await process.terminate() == .exited(0))
        #expect(try client.receive().failure == .shuttingDown)
        let again = try process.startAgain()
        let second = try await connect(directory, again)
        _ = try second.consume(1, "messages", consumer())
        #expect(try second.receive().payload == "unacknowledged")
        try await again.terminate()
    }

    @Test func configurationIsCheckedBeforeAnythingHappens() async throws {
        let directory = try TemporaryDirectory("bus")
        let good = try ServiceProcess.start(
            "bus", arguments: ["--check-config", "--data", directory.file("data")], log: directory.file("good.log"))
        #expect(try await good.waitForExit() == .exited(0))
        let bad = try ServiceProcess.start(
            "bus", arguments: ["--check-config", "--segment-bytes", "12"], log: directory.file("bad.log"))
        #expect(try await bad.waitForExit() == .exited(1))
        #expect(bad.log.contains("segment.bytes"))
        #expect(access(directory.file("data"), F_OK) != 0)
    }
}
