// SPDX-License-Identifier: Apache-2.0
import MartletCLI

@main struct Executable { static func main() async { await Program.main() } }
