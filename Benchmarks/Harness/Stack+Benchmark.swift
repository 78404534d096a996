// SPDX-License-Identifier: Apache-2.0
import Bus
import Foundation
import Logging
import Messaging
import TestKit

extension Stack {
    /// Waits until `writer-postgres` has stored and acknowledged everything that the bus has.
    func waitUntilStored() async throws {
        let bus = SocketBus.connect(
            SocketBusConfiguration(path: directory.file("bus.sock"), name: "martlet"), logger: Logger(label: "bench"))
        do {
            try await eventually("the writer has caught up", deadline: .seconds(600), interval: .milliseconds(100)) {
                let state = try? await bus.consumerState(stream: Streams.messages, consumer: Streams.writerConsumer)
                return state.map { $0.pending == 0 && $0.unacknowledged == 0 } ?? false
            }
            await bus.close()
        } catch {
            await bus.close()
            throw error
        }
    }
}

extension PostgresCluster {
    /// The server's settings in benchmarks: those of `deploy/local/run`, on top of fsync and full_page_writes, which are on.
    static let benchmarkSettings = [
        "shared_buffers=256MB", "max_wal_size=2GB", "checkpoint_timeout=15min", "jit=off",
    ]

    /// The first process of the server, whose children all others are.
    func serverIdentifier() throws -> Int32 {
        let text = try String(contentsOfFile: directory + "/data/postmaster.pid", encoding: .utf8)
        guard let identifier = text.split(separator: "\n").first.flatMap({ Int32($0) }) else {
            throw BenchmarkFailure(description: "PostgreSQL's process is not known")
        }
        return identifier
    }
}
