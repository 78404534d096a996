// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import NIOPosix
import Postgres
import TestKit
import Testing

/// The real programs: the bus and the writer as processes, PostgreSQL with fsync.
@Suite struct WriterProcessTests {
    private struct Programs {
        let directory: TemporaryDirectory
        let cluster: PostgresCluster
        let pool: PostgresPool
        let bus: SocketBus
        var writer: ServiceProcess
        let daemon: ServiceProcess

        static func start() async throws -> Programs {
            let directory = try TemporaryDirectory("writer")
            let cluster = try await PostgresCluster.start(fsync: true)
            let socket = directory.file("bus.sock")
            let daemon = try ServiceProcess.start(
                "bus",
                environment: [
                    "MARTLET_BUS_SOCKET": socket, "MARTLET_BUS_DATA": directory.file("bus"),
                    "MARTLET_BUS_HTTP_PORT": "\(try FreePort.next())",
                ], log: directory.file("bus.log"))
            let writer = try ServiceProcess.start(
                "writer-postgres",
                environment: [
                    "MARTLET_BUS_SOCKET": socket, "DATABASE_URL": cluster.url(),
                    "MARTLET_WRITER_POSTGRES_HTTP_PORT": "\(try FreePort.next())",
                ], log: directory.file("writer.log"))
            let bus = SocketBus.connect(
                SocketBusConfiguration(path: socket, name: "http-adapter"),
                on: MultiThreadedEventLoopGroup.singleton.next(), logger: quiet)
            let pool = PostgresPool(
                configuration: PostgresConfiguration(
                    url: cluster.url(), maximumConnections: 2, acquireTimeout: .seconds(5)), logger: quiet)
            return Programs(
                directory: directory, cluster: cluster, pool: pool, bus: bus, writer: writer, daemon: daemon)
        }

        /// Publishes until the bus says that it is on disk.
        func publish(_ number: Int, _ channel: ChannelID) async throws {
            var payload = ByteBuffer()
            RawMessage(
                domain: DomainID.new(), channel: channel, subtopic: "", publisher: ThingID.new(), transport: .http,
                contentType: .senmlJSON, created: WallClock.system.now(),
                payload: ByteBuffer(string: #"[{"n":"count","v":\#(number)}]"#)
            ).encode(into: &payload)
            // The identifier makes a repeated publish one message.
            let message = BusMessage(
                subject: "channels.\(channel)", headers: BusHeaders(messageID: "\(channel)-\(number)"), payload: payload
            )
            try await eventually("the bus takes a message") {
                do {
                    _ = try await bus.publishDurably(message)
                    return true
                } catch BusError.disconnected {
                    return false
                }
            }
        }

        func stored(_ channel: ChannelID) async throws -> [Int] {
            do {
                return try await pool.execute(
                    "SELECT value::int8 FROM messages.senml WHERE channel = \(channel) ORDER BY value"
                ).map { try $0.decode(Int.self, at: 0) }
            } catch let error as PostgresError where error.isRetriable || error.sqlState == .undefinedTable {
                return []
            }
        }

        func stop() async throws {
            _ = await writer.kill()
            await bus.close()
            _ = await daemon.kill()
            pool.close()
            try await cluster.stop()
        }
    }

    @Test func killedAndRestartedUnderLoadItStoresEachMessageOnce() async throws {
        var programs = try await Programs.start()
        let channel = ChannelID.new()
        var number = 0
        for round in 0..<4 {
            let running = programs
            let range = number..<(number + 400)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<8 {
                    group.addTask {
                        for each in range where each % 8 == lane { try await running.publish(each, channel) }
                    }
                }
                // In the middle of the load: at any instant between receiving, committing and acknowledging.
                if round < 3 {
                    let before = try await programs.stored(channel).count
                    try await eventually("the writer stores") { try await running.stored(channel).count > before }
                    _ = await programs.writer.kill()
                    programs.writer = try programs.writer.startAgain()
                }
                try await group.waitForAll()
            }
            number = range.upperBound
        }
        let all = number
        let running = programs
        try await eventually("everything is stored") { try await running.stored(channel).count >= all }
        #expect(try await programs.stored(channel) == Array(0..<all))
        try await programs.stop()
    }

    @Test func whatComesWhileTheDatabaseIsAwayIsStoredWhenItIsBack() async throws {
        let programs = try await Programs.start()
        let channel = ChannelID.new()
        for number in 0..<50 { try await programs.publish(number, channel) }
        try await eventually("the first are stored") { try await programs.stored(channel).count == 50 }
        try await programs.cluster.stop()
        for number in 50..<300 { try await programs.publish(number, channel) }
        try await programs.cluster.start()
        try await eventually("the rest is stored") { try await programs.stored(channel).count >= 300 }
        #expect(try await programs.stored(channel) == Array(0..<300))
        try await programs.stop()
    }
}
