// SPDX-License-Identifier: Apache-2.0
import ReaderPostgres

@main struct Executable { static func main() async {} }
