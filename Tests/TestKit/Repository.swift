// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The checkout that the tests were built from.
public enum Repository {
    /// Its root, from where this file stood when it was compiled.
    public static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    public static func file(_ path: String) -> String { "\(root)/\(path)" }
}
