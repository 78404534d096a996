// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization

/// A child that is always reaped and that the kernel kills when this process dies, however it dies.
///
/// The kernel sends a child its parent-death signal when the *thread* that created it ends (prctl(2), PR_SET_PDEATHSIG), so every child
/// has a thread of its own here, which creates it and then waits for its end. The signal is set by util-linux's `setpriv`, which becomes
/// the program: its process identifier is the program's.
final class ChildProcess: Sendable {
    enum State {
        case running
        case exited(ServiceProcess.ExitStatus)
    }

    struct Shared {
        var state = State.running
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<ServiceProcess.ExitStatus?, Never>] = [:]
    }

    let identifier: pid_t
    private let shared: SharedState

    final class SharedState: Sendable {
        let value = Mutex(Shared())
    }

    /// Creates the child; returns once it exists.
    init(program: String, arguments: [String], environment: [String: String], directory: String?, log: String) throws {
        let setpriv = try Executables.system("setpriv")
        let command = [setpriv, "--pdeathsig", "KILL", "--", program] + arguments
        let shared = SharedState()
        self.shared = shared
        let started = DispatchSemaphore(value: 0)
        let outcome = Outcome()
        let thread = Thread {
            let result = Self.spawn(command, environment: environment, directory: directory, log: log)
            outcome.value.withLock { $0 = result }
            started.signal()
            if case .success(let identifier) = result { Self.wait(for: identifier, shared) }
        }
        thread.stackSize = 256 << 10
        thread.start()
        started.wait()
        identifier = try outcome.value.withLock { $0 }.get()
    }

    private final class Outcome: Sendable {
        let value = Mutex<Result<pid_t, SystemError>>(.failure(SystemError(call: "thread", code: EAGAIN)))
    }

    var exitStatus: ServiceProcess.ExitStatus? {
        shared.value.withLock { if case .exited(let status) = $0.state { status } else { nil } }
    }

    /// Sends a signal unless the child was reaped already, so that never another process that got the same identifier is hit.
    func signal(_ number: Int32) {
        shared.value.withLock { if case .running = $0.state { kill(identifier, number) } }
    }

    /// - Returns: nil when the task was cancelled before the child ended.
    func waitForExit() async -> ServiceProcess.ExitStatus? {
        let waiter = shared.value.withLock {
            $0.nextWaiter += 1
            return $0.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let immediately: ServiceProcess.ExitStatus?? = shared.value.withLock {
                    if case .exited(let status) = $0.state { return .some(status) }
                    if Task.isCancelled { return .some(nil) }
                    $0.waiters[waiter] = continuation
                    return nil
                }
                if let immediately { continuation.resume(returning: immediately) }
            }
        } onCancel: {
            shared.value.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume(returning: nil)
        }
    }

    /// Whether none of its threads runs any more, as after SIGSTOP (state T of proc_pid_stat(5)).
    var standsStill: Bool {
        let folder = "/proc/\(identifier)/task"
        guard let threads = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return true }
        return threads.allSatisfy { thread in
            // Behind the name, which may have parentheses of its own; a thread that has ended meanwhile is still.
            guard let status = try? String(contentsOfFile: "\(folder)/\(thread)/stat", encoding: .utf8),
                let end = status.lastIndex(of: ")")
            else { return true }
            return ["T", "Z", "X"].contains(status[end...].dropFirst(2).first)
        }
    }

    private static func wait(for identifier: pid_t, _ shared: SharedState) {
        var information = siginfo_t()
        // Looks without reaping: the identifier stays taken until the state says that it must not be signalled any more.
        while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        let waiters = shared.value.withLock { shared in
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
            let signal = status & 0x7F
            let exit: ServiceProcess.ExitStatus = signal == 0 ? .exited((status >> 8) & 0xFF) : .killed(signal: signal)
            shared.state = .exited(exit)
            defer { shared.waiters.removeAll() }
            return shared.waiters.values.map { ($0, exit) }
        }
        for (waiter, status) in waiters { waiter.resume(returning: status) }
    }

    private typealias Actions = UnsafeMutablePointer<posix_spawn_file_actions_t>

    /// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which Swift's Glibc module leaves out.
    private static let closeFrom: (@convention(c) (Actions, Int32) -> Int32)? = {
        dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
            unsafeBitCast($0, to: (@convention(c) (Actions, Int32) -> Int32).self)
        }
    }()

    /// `posix_spawn_file_actions_addchdir_np` (glibc 2.29), likewise.
    private static let changeDirectory: (@convention(c) (Actions, UnsafePointer<CChar>) -> Int32)? = {
        dlsym(nil, "posix_spawn_file_actions_addchdir_np").map {
            unsafeBitCast($0, to: (@convention(c) (Actions, UnsafePointer<CChar>) -> Int32).self)
        }
    }()

    private static func spawn(
        _ command: [String], environment: [String: String], directory: String?, log: String
    ) -> Result<pid_t, SystemError> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A socket of the tests that a child inherits would stay open after the tests closed it.
        guard let closeFrom, let changeDirectory else { return .failure(SystemError(call: "dlsym", code: ENOSYS)) }
        _ = closeFrom(&actions, 3)
        if let directory { _ = changeDirectory(&actions, directory) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer {
            for pointer in arguments + variables { free(pointer) }
        }
        var identifier: pid_t = 0
        let code = posix_spawn(&identifier, command[0], &actions, &attributes, &arguments, &variables)
        return code == 0 ? .success(identifier) : .failure(SystemError(call: "posix_spawn \(command)", code: code))
    }
}
