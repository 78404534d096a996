// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Where the product's executables are: beside the test bundle, or in `MARTLET_BIN`.
public enum Executables {
    public struct Missing: Error, CustomStringConvertible {
        public let path: String
        public var description: String { "\(path) is missing: build it first (swift build), or set MARTLET_BIN" }
    }

    /// The folder of the running test bundle, which is the build's output folder, unless `MARTLET_BIN` says otherwise.
    public static var directory: String {
        if let directory = ProcessInfo.processInfo.environment["MARTLET_BIN"], !directory.isEmpty { return directory }
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        // `swift test` may run the bundle through a helper of the toolchain, which is told the bundle's path.
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? executable
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().path
    }

    /// The path of a product: `bus`, `things`, `http-adapter`, …
    public static func path(_ name: String) throws(Missing) -> String {
        let path = "\(directory)/\(name)"
        guard access(path, X_OK) == 0 else { throw Missing(path: path) }
        return path
    }

    /// The path of a program of the system, by `PATH`: a missing one is an error, never a reason to skip.
    public static func system(_ name: String) throws(Missing) -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        for directory in path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"] {
            let candidate = "\(directory)/\(name)"
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw Missing(path: name)
    }
}
