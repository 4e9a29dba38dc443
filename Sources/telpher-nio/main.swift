internal import TelpherCLI

Program.main(backend: NIOBackend())
