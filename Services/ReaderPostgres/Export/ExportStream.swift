// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Messaging
import NIOCore
import Observability
import ServiceKit

/// One export while it is sent: page by page, each asked for when the one before has gone to the client's socket. Between two pages it holds no
/// connection to the database, and never more than two of them in memory.
///
/// What goes wrong in the middle can only be told by ending the connection: the last chunk (RFC 9112 section 7.1) is then missing, and every client
/// that knows HTTP notices.
struct ExportStream: Sendable {
    /// A client that takes nothing for so long is cut off.
    static let maximumStall: Duration = .seconds(60)
    /// What is handed to the socket at a time: a client slower than 64 KiB in ``maximumStall`` is cut off too.
    static let chunkBytes = 64 << 10
    /// How often a right is looked at again, at most.
    static let recheckInterval: Duration = .milliseconds(500)
    /// Tries of one page while the database is away: with their pauses about 15 s.
    static let maximumAttempts = 10

    let query: ExportQuery
    let first: MessageListing
    let store: any MessageStore
    /// Throws when the right was taken back.
    let recheck: @Sendable () async throws(ServiceError) -> Void
    /// Ends the connection.
    let disconnect: @Sendable () -> Void
    let metrics: ExportMetrics
    let logger: Logger
    /// Held until the stream is gone.
    let slot: ExportSlots.Slot

    func write(to writer: inout any ResponseBodyWriter) async throws {
        let progress = ExportProgress()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // A service that stops does not wait for slow clients.
                await withGracefulShutdownHandler {
                    await progress.watch(limit: Self.maximumStall, stalled: disconnect)
                } onGracefulShutdown: {
                    disconnect()
                }
            }
            defer { group.cancelAll() }
            do {
                try await send(to: &writer, progress)
                metrics.count(.complete, query.form)
            } catch {
                note(error)
                throw error
            }
        }
    }

    private func note(_ error: any Error) {
        // Whatever is neither ours nor the codec's came from the connection.
        guard error is ServiceError || error is SenMLError else {
            metrics.count(.abandoned, query.form)
            return logger.debug("export abandoned by its client", metadata: [LogKey.error: "\(error)"])
        }
        metrics.count(.failed, query.form)
        logger.warning(
            "export cut off", metadata: [LogKey.channel: "\(query.filter.channel)", LogKey.error: "\(error)"])
    }

    private func send(to writer: inout any ResponseBodyWriter, _ progress: ExportProgress) async throws {
        var encoder = query.makeEncoder()
        var output: [UInt8] = []
        encoder.begin(&output)
        var page = first
        var lastCheck = ContinuousClock.now
        while true {
            try encoder.append(page.messages, to: &output)
            metrics.count(rows: page.messages.count, query.form)
            guard page.hasMore, let last = page.messages.last else { break }
            try await send(&output, to: &writer, progress)
            if ContinuousClock.now - lastCheck >= Self.recheckInterval {
                try await recheck()
                lastCheck = .now
            }
            page = try await self.page(after: last.position)
        }
        encoder.end(&output)
        try await send(&output, to: &writer, progress)
        try await writer.finish(nil)
    }

    /// Hands everything to the socket, waiting for room in it.
    private func send(
        _ output: inout [UInt8], to writer: inout any ResponseBodyWriter, _ progress: ExportProgress
    ) async throws {
        var rest = output[...]
        while !rest.isEmpty {
            let chunk = rest.prefix(Self.chunkBytes)
            rest = rest.dropFirst(Self.chunkBytes)
            progress.begin()
            try await writer.write(ByteBuffer(bytes: chunk))
            progress.end()
        }
        output.removeAll(keepingCapacity: true)
    }

    /// A database that restarts meanwhile is waited for: the next page does not depend on what was before.
    private func page(after position: MessageQuery.Position) async throws -> MessageListing {
        var backOff = BackOff()
        for attempt in 1... {
            do throws(ServiceError) {
                return try await store.messages(query.page(after: position))
            } catch {
                guard error.kind == .unavailable, attempt < Self.maximumAttempts else { throw error }
            }
            try await Task.sleep(for: backOff.next())
        }
        throw CancellationError()
    }
}
