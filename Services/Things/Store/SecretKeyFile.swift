// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The file that holds the keys with which secrets are encrypted (``SecretKeyRing/init(text:)``).
enum SecretKeyFile {
    /// Sixteen keys with a comment each are 4 KiB.
    private static let maximumBytes = 64 << 10

    static func read(_ path: String) throws(SecretKeyRing.Malformed) -> SecretKeyRing {
        let content: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            content = try file.read(upToCount: maximumBytes + 1) ?? Data()
        } catch {
            throw SecretKeyRing.Malformed(description: "names a file that cannot be read: \(path)")
        }
        guard content.count <= maximumBytes, let text = String(validating: content, as: UTF8.self) else {
            throw SecretKeyRing.Malformed(description: "names a file that holds no keys: \(path)")
        }
        do throws(SecretKeyRing.Malformed) {
            return try SecretKeyRing(text: text)
        } catch {
            throw SecretKeyRing.Malformed(description: "names a file that holds no keys: \(path): \(error)")
        }
    }
}
