// SPDX-License-Identifier: Apache-2.0
import CLinux
import Core
import Glibc
import Logging
import Synchronization

/// The bus: one thread that serves a Unix socket.
///
///     let daemon = BusDaemon(configuration, logger: logger)
///     try await daemon.start()      // listens from here on
///     …
///     await daemon.stop()           // everything that was accepted is synced
public final class BusDaemon: Sendable {
    public struct StartFailure: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    private enum State {
        case idle
        case running(NativeThread, Mailbox, DaemonFiles)
        case stopped
    }

    public let configuration: BusConfiguration
    private let logger: Logger
    private let clock: WallClock
    private let state = Mutex(State.idle)
    private let ended = Ended()

    /// - Parameter clock: what stored messages are stamped with.
    public init(
        _ configuration: BusConfiguration, logger: Logger = Logger(label: "bus"), clock: WallClock = .system
    ) {
        self.configuration = configuration
        self.logger = logger
        self.clock = clock
    }

    /// Takes the data directory, opens the logs and listens.
    ///
    /// - Throws: ``StartFailure`` when the configuration is wrong, when another daemon has the data directory, or when a system call fails.
    public func start() async throws(StartFailure) {
        if let problem = configuration.problems().first { throw StartFailure(description: problem) }
        let started = Started()
        do {
            let roles = try RoleTable.load(configuration)
            let files = try DaemonFiles(configuration)
            let mailbox = try Mailbox()
            let (configuration, logger, clock, ended) = (configuration, logger, clock, ended)
            let thread = try NativeThread {
                // Everything of the loop's is made on its own thread and never leaves it.
                do {
                    let broker = try Broker(
                        configuration: configuration, roles: roles, listener: files.listener, mailbox: mailbox,
                        clock: clock, logger: logger)
                    started.set(nil)
                    broker.run()
                } catch {
                    started.set("\(error)")
                }
                ended.set()
            }
            state.withLock { $0 = .running(thread, mailbox, files) }
        } catch {
            throw StartFailure(description: "\(error)")
        }
        if let problem = await started.value() {
            await stop()
            throw StartFailure(description: problem)
        }
        logger.info("listening", metadata: ["path": "\(configuration.socketPath)"])
    }

    /// Stops accepting, syncs what was accepted, closes every connection. Returns when all that is done.
    public func stop() async {
        let running: (NativeThread, Mailbox, DaemonFiles)? = state.withLock { state in
            guard case .running(let thread, let mailbox, let files) = state else { return nil }
            state = .stopped
            return (thread, mailbox, files)
        }
        guard let (thread, mailbox, files) = running else { return await ended.wait() }
        mailbox.post(.stop)
        await ended.wait()
        thread.join()
        files.release()
    }

    /// Counters, at most a second old.
    var statistics: BusStatistics {
        state.withLock { state in
            guard case .running(_, let mailbox, _) = state else { return BusStatistics() }
            return mailbox.statistics
        }
    }
}

/// The loop's answer to "did you start?": nil, or what went wrong.
private final class Started: Sendable {
    private enum State {
        case waiting(CheckedContinuation<String?, Never>?)
        case known(String?)
    }

    private let state = Mutex(State.waiting(nil))

    func set(_ problem: String?) {
        let waiter: CheckedContinuation<String?, Never>? = state.withLock { state in
            guard case .waiting(let waiter) = state else { return nil }
            state = .known(problem)
            return waiter
        }
        waiter?.resume(returning: problem)
    }

    func value() async -> String? {
        await withCheckedContinuation { continuation in
            let known: String?? = state.withLock { state in
                if case .known(let problem) = state { return .some(problem) }
                state = .waiting(continuation)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }
}

/// Set once, when the loop's thread is about to end.
private final class Ended: Sendable {
    private let state = Mutex<(isSet: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func set() {
        let waiters = state.withLock { state in
            state.isSet = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLock { state in
                if !state.isSet { state.waiters.append(continuation) }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}
