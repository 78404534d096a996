// SPDX-License-Identifier: Apache-2.0
import WriterPostgres

@main struct Executable { static func main() async {} }
