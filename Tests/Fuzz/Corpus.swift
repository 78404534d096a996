// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Inputs from files, beside those that each target brings.
enum Corpus {
    /// The files of a folder in order of name, so that a run can be repeated; at most 1 MiB of each.
    static func read(_ directory: String) throws -> [[UInt8]] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        return names.compactMap { name in
            FileManager.default.contents(atPath: "\(directory)/\(name)").map { [UInt8]($0.prefix(1 << 20)) }
        }
    }
}
