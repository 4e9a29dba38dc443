internal import TelpherCLI

Program.main(backend: UVBackend())
