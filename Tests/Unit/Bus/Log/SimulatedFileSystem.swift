// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import TestKit

@testable import BusService

/// A file system in memory that knows what a disk would hold after a power failure, counts what is read, and fails on demand.
///
/// Contents reach the disk with a sync; until then any subset of the written 512-byte sectors may be there. Names (create, rename, remove)
/// reach it in order, some of them at the latest with a directory's sync. A sync that fails behaves as Linux's does: some of the dirty
/// sectors are on disk, none is dirty any more, and the page cache goes on showing all of them.
final class SimulatedFileSystem: LogFileSystem {
    static let sectorBytes = 512

    /// Guarded by the file system's lock.
    final class Node: @unchecked Sendable {
        var contents: [UInt8] = []
        var durable: [UInt8] = []
        var dirty: Set<Int> = []

        func copy() -> Node {
            let node = Node()
            node.contents = contents
            node.durable = durable
            node.dirty = dirty
            return node
        }

        /// What a power failure leaves: the synced contents with some of the sectors written since.
        func crash(_ random: inout SeededGenerator) {
            // The size is metadata: old or new.
            if contents.count != durable.count, Bool.random(using: &random) {
                if contents.count < durable.count {
                    durable.removeLast(durable.count - contents.count)
                } else {
                    durable.append(contentsOf: [UInt8](repeating: 0, count: contents.count - durable.count))
                }
            }
            flush(fraction: Double.random(in: 0...1, using: &random), &random)
            contents = durable
            dirty = []
        }

        func flush(fraction: Double, _ random: inout SeededGenerator) {
            for sector in dirty.sorted() where Double.random(in: 0..<1, using: &random) < fraction {
                let start = sector * SimulatedFileSystem.sectorBytes
                let end = min(start + SimulatedFileSystem.sectorBytes, contents.count, durable.count)
                if start < end { durable[start..<end] = contents[start..<end] }
            }
        }
    }

    struct Faults: Sendable {
        /// The calls from now on that fail: 1 is the next one.
        var failingWrite = 0
        var failingSync = 0
        var failingRead = 0
        var failingRemove = 0
        /// Every write and sync fails while set.
        var isBroken = false
        /// Bytes that may still be allocated or written beyond a file's end; nil: no limit.
        var remainingBytes: Int?
        /// Writes and reads are cut to a random length.
        var hasShortTransfers = false
        /// Unreadable bytes of files whose path ends with the key.
        var badRanges: [String: Range<Int>] = [:]
        var freeBytes = Int.max
    }

    struct State: Sendable {
        var names: [String: Node] = [:]
        var durableNames: [String: Node] = [:]
        var pending: [NameChange] = []
        var faults = Faults()
        var random = SeededGenerator(seed: 1)
        var bytesRead = 0
        var writes = 0
        var syncs = 0
        var isLocked = false
        /// Paths of files whose cache was given back, in order.
        var released: [String] = []
    }

    enum NameChange: Sendable {
        case set(String, Node)
        case remove(String)
    }

    // One thread at a time uses it; the lock is there because the log may be read from another.
    let state: Mutex<State>

    init(seed: UInt64 = 1) {
        var state = State()
        state.random = SeededGenerator(seed: seed)
        self.state = Mutex(state)
    }

    /// A deep copy without faults and locks.
    func copy() -> SimulatedFileSystem {
        let other = SimulatedFileSystem()
        state.withLock { source in
            var nodes: [ObjectIdentifier: Node] = [:]
            func copied(_ node: Node) -> Node {
                if let known = nodes[ObjectIdentifier(node)] { return known }
                let copy = node.copy()
                nodes[ObjectIdentifier(node)] = copy
                return copy
            }
            let names = source.names.mapValues(copied)
            let durable = source.durableNames.mapValues(copied)
            let pending = source.pending.map { change in
                switch change {
                case .set(let path, let node): NameChange.set(path, copied(node))
                case .remove(let path): NameChange.remove(path)
                }
            }
            let moved = (names, durable, pending)
            other.state.withLock { target in
                target.names = moved.0
                target.durableNames = moved.1
                target.pending = moved.2
            }
        }
        return other
    }

    func setFaults(_ change: (inout Faults) -> Void) {
        state.withLock { change(&$0.faults) }
    }

    /// Power fails: what was not synced is there or not, as chance has it. Faults end.
    func crash() {
        state.withLock { state in
            let kept = state.pending.isEmpty ? 0 : Int.random(in: 0...state.pending.count, using: &state.random)
            for change in state.pending[..<kept] {
                switch change {
                case .set(let path, let node): state.durableNames[path] = node
                case .remove(let path): state.durableNames[path] = nil
                }
            }
            state.pending = []
            state.names = state.durableNames
            for path in state.names.keys.sorted() { state.names[path]?.crash(&state.random) }
            state.faults = Faults()
            state.isLocked = false
        }
    }

    /// The process is killed: what it wrote is in the page cache and stays.
    func kill() {
        state.withLock { state in
            state.faults = Faults()
            state.isLocked = false
        }
    }

    func paths() -> [String] { state.withLock { $0.names.keys.sorted() } }

    func contents(_ path: String) -> [UInt8] { state.withLock { $0.names[path]?.contents ?? [] } }

    /// Changes a file on disk behind the log's back.
    func alter(_ path: String, _ change: (inout [UInt8]) -> Void) {
        state.withLock { state in
            let node = state.names[path] ?? Node()
            change(&node.contents)
            node.durable = node.contents
            node.dirty = []
            state.names[path] = node
            state.durableNames[path] = node
        }
    }

    func delete(_ path: String) {
        state.withLock { state in
            state.names[path] = nil
            state.durableNames[path] = nil
        }
    }

    // MARK: LogFileSystem

    func createDirectory(_ path: String) throws(LogError) {}

    func list(_ directory: String) throws(LogError) -> [String] {
        state.withLock { state in
            state.names.keys.filter { $0.hasPrefix(directory + "/") }.map { String($0.dropFirst(directory.count + 1)) }
        }
    }

    func open(_ path: String, _ mode: LogFileMode) throws(LogError) -> any LogFile {
        let node: Node? = state.withLock { state in
            if case .create = mode {
                let node = Node()
                state.names[path] = node
                state.pending.append(.set(path, node))
                let result = node
                return result
            }
            let result = state.names[path]
            return result
        }
        guard let node else { throw .inputOutput(.open, path: path, code: ENOENT) }
        return SimulatedFile(path: path, node: node, fileSystem: self)
    }

    func rename(_ source: String, to target: String) throws(LogError) {
        let isFound = state.withLock { state in
            guard let node = state.names.removeValue(forKey: source) else { return false }
            state.names[target] = node
            state.pending.append(.remove(source))
            state.pending.append(.set(target, node))
            return true
        }
        if !isFound { throw .inputOutput(.rename, path: source, code: ENOENT) }
    }

    func remove(_ path: String) throws(LogError) {
        let code: Int32 = state.withLock { state in
            if state.faults.failingRemove > 0 {
                state.faults.failingRemove -= 1
                if state.faults.failingRemove == 0 { return EIO }
            }
            guard state.names.removeValue(forKey: path) != nil else { return ENOENT }
            state.pending.append(.remove(path))
            return 0
        }
        if code != 0 { throw .inputOutput(.remove, path: path, code: code) }
    }

    func synchronizeDirectory(_ path: String) throws(LogError) {
        let isFine = state.withLock { state in
            if state.failsSync() { return false }
            for change in state.pending {
                switch change {
                case .set(let path, let node): state.durableNames[path] = node
                case .remove(let path): state.durableNames[path] = nil
                }
            }
            state.pending = []
            return true
        }
        if !isFine { throw .inputOutput(.synchronize, path: path, code: EIO) }
    }

    func freeBytes(_ path: String) throws(LogError) -> Int { state.withLock { $0.faults.freeBytes } }

    func lock(_ path: String) throws(LogError) -> any LogFileLock {
        let isFree = state.withLock { state in
            defer { state.isLocked = true }
            return !state.isLocked
        }
        guard isFree else { throw .locked(path: path) }
        return SimulatedLock(fileSystem: self)
    }
}

extension SimulatedFileSystem.State {
    mutating func failsSync() -> Bool {
        syncs += 1
        if faults.isBroken { return true }
        guard faults.failingSync > 0 else { return false }
        faults.failingSync -= 1
        return faults.failingSync == 0
    }

    mutating func failsWrite() -> Bool {
        writes += 1
        if faults.isBroken { return true }
        guard faults.failingWrite > 0 else { return false }
        faults.failingWrite -= 1
        return faults.failingWrite == 0
    }
}

private final class SimulatedLock: LogFileLock {
    let fileSystem: SimulatedFileSystem

    init(fileSystem: SimulatedFileSystem) { self.fileSystem = fileSystem }

    deinit { fileSystem.state.withLock { $0.isLocked = false } }
}

private final class SimulatedFile: LogFile, @unchecked Sendable {
    let path: String
    private let node: SimulatedFileSystem.Node
    private let fileSystem: SimulatedFileSystem

    init(path: String, node: SimulatedFileSystem.Node, fileSystem: SimulatedFileSystem) {
        self.path = path
        self.node = node
        self.fileSystem = fileSystem
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws(LogError) -> Int {
        let count: Int? = fileSystem.state.withLock { state in
            if state.faults.failingRead > 0 {
                state.faults.failingRead -= 1
                if state.faults.failingRead == 0 { return nil }
            }
            var count = max(min(bytes.count, node.contents.count - offset), 0)
            for (suffix, range) in state.faults.badRanges
            where path.hasSuffix(suffix) && range.overlaps(offset..<offset + count) {
                return nil
            }
            if state.faults.hasShortTransfers, count > 1 { count = Int.random(in: 1...count, using: &state.random) }
            node.contents.withUnsafeBytes { source in
                if count > 0 {
                    bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + count]))
                }
            }
            state.bytesRead += count
            return count
        }
        guard let count else { throw .inputOutput(.read, path: path, code: EIO) }
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(LogError) -> Int {
        let result: Result<Int, LogError> = fileSystem.state.withLock { state in
            var count = bytes.count
            let fails = state.failsWrite()
            if fails { count = Int.random(in: 0...count, using: &state.random) }
            if state.faults.hasShortTransfers, count > 1 { count = Int.random(in: 1...count, using: &state.random) }
            let growth = offset + count - node.contents.count
            if growth > 0 {
                if let remaining = state.faults.remainingBytes {
                    guard remaining >= growth else { return .failure(.inputOutput(.write, path: path, code: ENOSPC)) }
                    state.faults.remainingBytes = remaining - growth
                }
                node.contents.append(contentsOf: [UInt8](repeating: 0, count: growth))
            }
            if count > 0 {
                node.contents.withUnsafeMutableBytes { target in
                    UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + count]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
                let sector = SimulatedFileSystem.sectorBytes
                for index in offset / sector...(offset + count - 1) / sector { node.dirty.insert(index) }
            }
            return fails ? .failure(.inputOutput(.write, path: path, code: EIO)) : .success(count)
        }
        return try result.get()
    }

    func synchronize() throws(LogError) {
        let isFine = fileSystem.state.withLock { state in
            let fails = state.failsSync()
            if node.durable.count < node.contents.count {
                node.durable.append(
                    contentsOf: [UInt8](repeating: 0, count: node.contents.count - node.durable.count))
            } else {
                node.durable.removeLast(node.durable.count - node.contents.count)
            }
            node.flush(fraction: fails ? 0.5 : 2, &state.random)
            node.dirty = []
            return !fails
        }
        if !isFine { throw .inputOutput(.synchronize, path: path, code: EIO) }
    }

    func releaseCache() { fileSystem.state.withLock { $0.released.append(path) } }

    func allocate(_ size: Int) throws(LogError) {
        let isFine = fileSystem.state.withLock { state in
            let growth = size - node.contents.count
            guard growth > 0 else { return true }
            if let remaining = state.faults.remainingBytes {
                guard remaining >= growth else { return false }
                state.faults.remainingBytes = remaining - growth
            }
            node.contents.append(contentsOf: [UInt8](repeating: 0, count: growth))
            return true
        }
        if !isFine { throw .inputOutput(.allocate, path: path, code: ENOSPC) }
    }

    func truncate(_ size: Int) throws(LogError) {
        let isFine = fileSystem.state.withLock { state in
            if state.faults.isBroken { return false }
            if size < node.contents.count {
                node.contents.removeLast(node.contents.count - size)
            } else {
                node.contents.append(contentsOf: [UInt8](repeating: 0, count: size - node.contents.count))
            }
            return true
        }
        if !isFine { throw .inputOutput(.truncate, path: path, code: EIO) }
    }

    func size() throws(LogError) -> Int { fileSystem.state.withLock { _ in node.contents.count } }
}
