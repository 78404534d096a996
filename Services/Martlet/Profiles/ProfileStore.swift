// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// The profiles of this user: a file each in `$XDG_CONFIG_HOME/martlet/profiles`, and the name of the one in use beside it.
struct ProfileStore: Sendable {
    static let defaultName = "default"

    let directory: String

    /// By the XDG base directory specification; a relative `XDG_CONFIG_HOME` is to be ignored.
    init(environment: [String: String]) {
        if let home = environment["XDG_CONFIG_HOME"], home.hasPrefix("/") {
            self.init(directory: "\(home)/martlet")
        } else {
            self.init(directory: "\(environment["HOME"] ?? NSHomeDirectory())/.config/martlet")
        }
    }

    init(directory: String) { self.directory = directory }

    private var profiles: String { "\(directory)/profiles" }
    private func path(_ name: String) -> String { "\(profiles)/\(name).json" }
    private var currentPath: String { "\(directory)/current" }

    /// - Returns: nil where there is none of that name.
    func load(_ name: String) throws(CommandFailure) -> Profile? {
        try Self.check(name)
        guard FileManager.default.fileExists(atPath: directory) else { return nil }
        try prepare()
        guard let bytes = try PrivateFile.read(path(name)) else { return nil }
        guard let json = try? JSONParser.parse(bytes), let profile = Profile(json) else {
            throw .usage("\(path(name)) is not what martlet wrote", advice: "remove it and log in again: martlet login")
        }
        return profile
    }

    func save(_ profile: Profile, as name: String) throws(CommandFailure) {
        try Self.check(name)
        try prepare()
        try PrivateFile.write(Array((profile.json.indented + "\n").utf8), to: path(name))
    }

    /// Changes a profile that other processes may be changing too.
    func update(_ name: String, _ change: (inout Profile?) throws -> Void) async throws {
        let lock = try await lock(name)
        defer { withExtendedLifetime(lock) {} }
        var profile = try load(name)
        try change(&profile)
        if let profile { try save(profile, as: name) }
    }

    /// Everybody who changes the profile holds this, and reads it again before.
    func lock(_ name: String) async throws -> FileLock {
        try Self.check(name)
        try prepare()
        return try await FileLock.acquire("\(profiles)/\(name).lock")
    }

    /// The profile in use; `default` unless another was chosen.
    func currentName() throws(CommandFailure) -> String {
        guard FileManager.default.fileExists(atPath: directory) else { return Self.defaultName }
        try prepare()
        guard let bytes = try PrivateFile.read(currentPath) else { return Self.defaultName }
        let name = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return Profile.isName(name) ? name : Self.defaultName
    }

    func use(_ name: String) throws(CommandFailure) {
        try Self.check(name)
        try prepare()
        try PrivateFile.write(Array("\(name)\n".utf8), to: currentPath)
    }

    func names() throws(CommandFailure) -> [String] {
        guard FileManager.default.fileExists(atPath: profiles) else { return [] }
        try prepare()
        let files = (try? FileManager.default.contentsOfDirectory(atPath: profiles)) ?? []
        return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.filter(Profile.isName).sorted()
    }

    /// Its lock file stays: whoever waits for it must not be left with a file that others no longer see.
    func remove(_ name: String) throws(CommandFailure) {
        try Self.check(name)
        guard unlink(path(name)) == 0 else {
            throw .usage("cannot remove \(path(name)): \(PrivateFile.systemError())")
        }
    }

    private func prepare() throws(CommandFailure) {
        try PrivateFile.prepareDirectory(directory)
        try PrivateFile.prepareDirectory(profiles)
    }

    private static func check(_ name: String) throws(CommandFailure) {
        guard Profile.isName(name) else {
            throw .usage("'\(name)' cannot name a profile: 1 to 64 letters, digits, '-', '_' and '.'")
        }
    }
}
