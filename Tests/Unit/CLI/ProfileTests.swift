// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

@testable import MartletCLI

@Suite struct ProfileTests {
    private let directory: TemporaryDirectory
    private let store: ProfileStore

    init() throws {
        directory = try TemporaryDirectory("profiles")
        store = ProfileStore(environment: ["XDG_CONFIG_HOME": directory.file("config")])
    }

    private func mode(_ path: String) -> String {
        var status = stat()
        guard lstat(path, &status) == 0 else { return "none" }
        return String(status.st_mode & 0o777, radix: 8)
    }

    private var sample: Profile {
        var profile = Profile(url: "http://localhost:8080")
        profile.identity = "ada@example.com"
        profile.accessToken = "a"
        profile.refreshToken = "r"
        profile.store(Profile.StoredKey(thing: "0193-id", name: "boiler 7", key: "k"))
        return profile
    }

    @Test func isForItsOwnerAlone() throws {
        let before = umask(0)
        defer { umask(before) }
        try store.save(sample, as: "default")
        try store.use("plant")
        #expect(mode(store.directory) == "700")
        #expect(mode("\(store.directory)/profiles") == "700")
        #expect(mode("\(store.directory)/profiles/default.json") == "600")
        #expect(mode("\(store.directory)/current") == "600")
        #expect(try store.load("default") == sample)
        #expect(try store.currentName() == "plant")
        #expect(try store.names() == ["default"])
        // Nothing that was written meanwhile stays behind.
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(store.directory)/profiles") == ["default.json"])
    }

    @Test(arguments: [0o640, 0o604, 0o622, 0o777])
    func fileThatOthersMayUseIsRefused(bits: mode_t) throws {
        try store.save(sample, as: "default")
        let path = "\(store.directory)/profiles/default.json"
        chmod(path, bits)
        let failure = #expect(throws: CommandFailure.self) { try store.load("default") }
        #expect(failure?.advice == "chmod 600 \(path)")
        chmod(path, 0o600)
        #expect(try store.load("default") == sample)
    }

    @Test(arguments: ["", "/profiles"])
    func folderThatOthersMayLookIntoIsRefused(below: String) throws {
        try store.save(sample, as: "default")
        chmod(store.directory + below, 0o755)
        #expect(throws: CommandFailure.self) { try store.load("default") }
        #expect(throws: CommandFailure.self) { try store.save(sample, as: "default") }
    }

    @Test func linkInTheFilesPlaceIsNotFollowed() throws {
        try store.save(sample, as: "default")
        let path = "\(store.directory)/profiles/default.json"
        let elsewhere = directory.file("elsewhere")
        try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
        symlink(elsewhere, path)
        #expect(throws: CommandFailure.self) { try store.load("default") }
        // Saving replaces the link, not what it points at.
        try store.save(Profile(url: "http://other"), as: "default")
        #expect(try String(contentsOfFile: elsewhere, encoding: .utf8).contains("ada@example.com"))
    }

    @Test func fileOfSomebodyElseIsRefused() throws {
        guard geteuid() == 0 else { return }
        try store.save(sample, as: "default")
        chown("\(store.directory)/profiles/default.json", 65_534, 65_534)
        #expect(throws: CommandFailure.self) { try store.load("default") }
    }

    @Test(arguments: ["", "..", ".x", "a/b", "a b", "ä", String(repeating: "a", count: 65)])
    func namesThatAreNoFilesAreRefused(name: String) {
        #expect(throws: CommandFailure.self) { try store.save(sample, as: name) }
        #expect(throws: CommandFailure.self) { try store.load(name) }
    }

    @Test(arguments: ["", "{", "[]", "{\"url\":5}", "{\"url\":\"x\",\"keys\":[{}]}"])
    func garbageInAFileIsNoCrash(content: String) throws {
        try store.save(sample, as: "default")
        let path = "\(store.directory)/profiles/default.json"
        try Data(content.utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: CommandFailure.self) { try store.load("default") }
    }

    @Test func nothingIsMadeByLooking() throws {
        #expect(try store.load("default") == nil)
        #expect(try store.names() == [])
        #expect(try store.currentName() == "default")
        #expect(!FileManager.default.fileExists(atPath: store.directory))
    }

    @Test func relativeConfigurationHomeIsIgnored() {
        let store = ProfileStore(environment: ["XDG_CONFIG_HOME": "config", "HOME": "/home/ada"])
        #expect(store.directory == "/home/ada/.config/martlet")
    }

    @Test func lockExcludesAndGoesWithItsHolder() async throws {
        var first: FileLock? = try await store.lock("default")
        #expect(first != nil)
        let path = "\(store.directory)/profiles/default.lock"
        #expect(mode(path) == "600")
        await #expect(throws: CommandFailure.self) {
            _ = try await FileLock.acquire(path, deadline: .milliseconds(50))
        }
        // Another profile is nobody's concern.
        _ = try await store.lock("other")
        first = nil
        _ = try await FileLock.acquire(path, deadline: .seconds(10))
    }

    @Test func changesOfManyDoNotGetLost() async throws {
        try store.save(Profile(url: "http://localhost:8080"), as: "default")
        let store = store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    try await store.update("default") {
                        $0?.store(Profile.StoredKey(thing: "t\(number)", name: "n", key: "k"))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.load("default")?.keys.count == 40)
    }

    @Test func keysAreFoundByIdentifierAndByNamesThatOneHas() {
        var profile = sample
        #expect(profile.key(of: "boiler 7")?.key == "k")
        #expect(profile.key(of: "0193-ID")?.key == "k")
        profile.store(Profile.StoredKey(thing: "other", name: "boiler 7", key: "k2"))
        #expect(profile.key(of: "boiler 7") == nil)
        profile.store(Profile.StoredKey(thing: "0193-id", name: "boiler 7", key: "k3"))
        #expect(profile.keys.count == 2)
        #expect(profile.key(of: "0193-id")?.key == "k3")
    }

    @Test(arguments: [
        ("http://localhost:8080/", "http://localhost:8080"),
        ("HTTPS://Iot.Example.com/base//", "https://iot.example.com/base"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ])
    func addressesAreBroughtIntoOneForm(text: String, address: String) throws {
        #expect(try ServerAddress(text).description == address)
    }

    @Test(arguments: [
        "", "localhost:8080", "ftp://x", "http://", "http://a:b@x", "http://x?y=1", "http://x#y", "http://x y",
    ])
    func addressesThatAreNoneAreRefused(text: String) {
        #expect(throws: CommandFailure.self) { try ServerAddress(text) }
    }
}
