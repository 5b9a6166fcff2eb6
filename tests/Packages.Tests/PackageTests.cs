using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests;

public sealed class PackageTests(PackedPackages packed) : IClassFixture<PackedPackages>
{
    private static readonly string[] Libraries =
    [
        "Picograd",
        "Picograd.Compiler",
        "Picograd.Cuda",
        "Picograd.Data",
        "Picograd.Onnx",
    ];

    private string[] Entries(string package, string kind = "nupkg")
    {
        using var archive = ZipFile.OpenRead(Path.Combine(packed.Feed, $"{package}.{packed.Version}.{kind}"));
        return [.. archive.Entries.Select(e => e.FullName)];
    }

    [Fact]
    public void Each_assembly_is_in_one_package_with_its_documentation_and_symbols()
    {
        var met = new Dictionary<string, string>();
        foreach (string package in Libraries)
        {
            string[] entries = Entries(package);
            string[] symbols = Entries(package, "snupkg");
            string[] assemblies =
            [
                .. entries.Where(e => e.StartsWith("lib/net10.0/") && e.EndsWith(".dll")).Select(Path.GetFileName)!,
            ];
            Assert.NotEmpty(assemblies);
            foreach (string assembly in assemblies)
            {
                Assert.True(met.TryAdd(assembly, package), $"{assembly} is in {package} and in {met[assembly]}");
                string name = Path.GetFileNameWithoutExtension(assembly);
                Assert.Contains($"lib/net10.0/{name}.xml", entries);
                Assert.Contains($"lib/net10.0/{name}.pdb", symbols);
            }
            // Native code for one platform stands beside what every platform runs, of all assemblies or of none.
            string[] ahead = [.. entries.Where(e => e.StartsWith("runtimes/") && e.EndsWith(".dll"))];
            if (ahead.Length > 0)
                Assert.Equal(assemblies.Select(a => $"runtimes/linux-x64/lib/net10.0/{a}").Order(), ahead.Order());
        }
        Assert.Equal("Picograd", met["Picograd.Frontend.Tensor.dll"]);
        Assert.Equal("Picograd", met["Picograd.Lower.Cpu.dll"]);
        Assert.Equal("Picograd.Cuda", met["Picograd.Lower.Cuda.dll"]);
        Assert.Equal("Picograd.Compiler", met["Picograd.Schedule.dll"]);
        Assert.Equal("Picograd.Compiler", met["Picograd.Search.dll"]);
        Assert.Contains("tools/net10.0/any/tune.dll", Entries("Picograd.Tune"));
        Assert.Contains("tools/net10.0/any/tune.pdb", Entries("Picograd.Tune", "snupkg"));
        Assert.Equal(2 * (Libraries.Length + 1), Directory.GetFiles(packed.Feed).Length);
    }

    /// <summary>Nothing that is packed names a folder of the machine that built it.</summary>
    [SkippableFact]
    public void Files_are_named_from_the_root_of_the_repository()
    {
        Skip.If(packed.Configuration == "Debug", "debuggers look for the files where they are");
        int assemblies = 0;
        int symbols = 0;
        foreach (string path in Directory.GetFiles(packed.Feed))
        {
            using var archive = ZipFile.OpenRead(path);
            foreach (var entry in archive.Entries.Where(e => Path.GetFileName(e.FullName).StartsWith("Picograd.")))
            {
                using var content = new MemoryStream();
                using (var stream = entry.Open())
                    stream.CopyTo(content);
                content.Position = 0;
                if (entry.FullName.EndsWith(".dll"))
                {
                    using var assembly = new PEReader(content);
                    var debug = assembly.ReadDebugDirectory().Where(d => d.Type == DebugDirectoryEntryType.CodeView);
                    foreach (var directory in debug)
                        Named(assembly.ReadCodeViewDebugDirectoryData(directory).Path);
                    assemblies++;
                }
                else if (entry.FullName.EndsWith(".pdb"))
                {
                    using var provider = MetadataReaderProvider.FromPortablePdbStream(content);
                    var reader = provider.GetMetadataReader();
                    foreach (var document in reader.Documents)
                        Named(reader.GetString(reader.GetDocument(document).Name));
                    symbols++;
                }

                void Named(string file) => Assert.False(file.StartsWith(Samples.Root), $"{file} of {entry.FullName}");
            }
        }
        Assert.True(assemblies > 8 && symbols >= 8, $"{assemblies} assemblies, {symbols} symbols");
    }

    [Fact]
    public void Packages_say_what_they_are()
    {
        foreach (string package in (string[])[.. Libraries, "Picograd.Tune"])
        {
            using var archive = ZipFile.OpenRead(Path.Combine(packed.Feed, $"{package}.{packed.Version}.nupkg"));
            using var stream = archive.GetEntry($"{package}.nuspec")!.Open();
            var metadata = XDocument.Load(stream).Root!.Elements().Single();
            string Value(string name) => metadata.Elements().Single(e => e.Name.LocalName == name).Value;
            Assert.True(Value("description").Length > 60);
            Assert.Equal("MIT", Value("license"));
            Assert.Equal("README.md", Value("readme"));
            Assert.NotNull(archive.GetEntry("README.md"));
            var repository = metadata.Elements().Single(e => e.Name.LocalName == "repository");
            Assert.Equal("git", repository.Attribute("type")!.Value);
            var others = metadata
                .Descendants()
                .Where(e => e.Name.LocalName == "dependency" && e.Attribute("id")!.Value.StartsWith("Picograd"))
                .ToList();
            // They share what is internal, so no other version will do.
            Assert.All(others, e => Assert.Equal($"[{packed.Version}]", e.Attribute("version")!.Value));
            string[] needed = [.. others.Select(e => e.Attribute("id")!.Value)];
            string[] expected = package switch
            {
                "Picograd" => ["Picograd.Compiler"],
                "Picograd.Cuda" or "Picograd.Data" or "Picograd.Onnx" => ["Picograd"],
                _ => [],
            };
            Assert.Equal(expected, needed.Intersect(["Picograd", .. expected]));
            Assert.DoesNotContain("Picograd.Tune", needed);
        }
    }

    [Fact]
    public void Samples_compile_as_printed_without_a_warning()
    {
        string[] warned = [.. packed.BuildOutput.Split('\n').Where(l => l.Contains(": warning "))];
        Assert.All(warned, l => Assert.Contains($"{PackedPackages.Compares}{Path.DirectorySeparatorChar}", l));
    }

    /// <summary>One warning, for the comparison of two tensors; none for that with null.</summary>
    [Fact]
    public void The_compiler_warns_of_comparing_tensors_by_operator()
    {
        string[] warned =
        [
            .. packed.BuildOutput.Split('\n').Where(l => l.Contains(": warning ")).Select(l => l.Trim()).Distinct(),
        ];
        string warning = Assert.Single(warned);
        Assert.Contains("Program.cs(5,19): warning CS0618", warning);
        Assert.Contains("Use Eq", warning);
        Assert.EndsWith("False\nFalse", packed.Run(PackedPackages.Compares, []).Succeeded().TrimEnd());
    }

    [Theory]
    [InlineData(Samples.Model, 5)]
    [InlineData(Samples.Graph, 5)]
    [InlineData(Samples.Tensors, 2)]
    public void Models_train(string sample, int lines)
    {
        var losses = Regex
            .Matches(packed.Run(sample, []).Succeeded(), @"loss ([0-9.]+)")
            .Select(m => double.Parse(m.Groups[1].Value))
            .ToList();
        Assert.Equal(lines, losses.Count);
        Assert.True(losses[^1] < losses[0] / 2, $"the loss went from {losses[0]} to {losses[^1]}");
    }

    [Fact]
    public void The_page_of_data_trains_an_epoch() =>
        Assert.Matches(@"epoch 1  8/8  loss 0\.\d+", packed.Run(Samples.Data, []).Succeeded());

    [Fact]
    public void Models_of_onnx_are_a_package_of_their_own() =>
        Assert.Matches(@"(?m)^1\d\d operators", packed.Run(Samples.Onnx, []).Succeeded());

    [Fact]
    public void A_program_without_the_package_for_gpus_names_it() =>
        Assert.Contains("dotnet add package Picograd.Cuda", packed.Run(PackedPackages.Fresh, ["cuda"]).Succeeded());

    [Fact]
    public void Programs_with_the_package_for_gpus_run_there_or_say_what_is_missing()
    {
        Assert.Matches(@"(?m)^cpu: 0\.\d{3}\s*$", packed.Run(Samples.Gpu, []).Succeeded());
        string switchedOff = packed.Run(Samples.Cuda, [], ("PICOGRAD_CUDA", "off")).Succeeded();
        Assert.Contains("cuda:0 cannot be used: ", switchedOff);
        Assert.Contains("CUDA is switched off", switchedOff);
    }

    /// <summary>The emulator needs a C++ compiler.</summary>
    [SkippableFact]
    public void Programs_with_the_package_for_gpus_run_on_the_emulator()
    {
        var there = packed.Run(Samples.Gpu, ["cuda"], ("PICOGRAD_CUDA", "emulated"));
        Skip.If(there.Code != 0 && there.Output.Contains("C++ compiler"), there.Output);
        Assert.Matches(@"(?m)^cuda:0: 0\.\d{3}\s*$", there.Succeeded());
        Assert.Matches(
            @"(?m)^cuda:0: -?\d+\.\d{3}\s*$",
            packed.Run(Samples.Cuda, [], ("PICOGRAD_CUDA", "emulated")).Succeeded()
        );
    }

    /// <summary>
    /// The tool, installed as a user does, searches with its worker processes; what it stores is what a program finds that
    /// installed the library.
    /// </summary>
    [Fact]
    public void The_installed_tool_tunes_for_programs_that_installed_the_library()
    {
        string tools = packed.PathOf("tools");
        Commands
            .Run(
                packed.PathOf("."),
                Commands.Dotnet,
                [
                    "tool",
                    "install",
                    "Picograd.Tune",
                    "--version",
                    packed.Version,
                    "--tool-path",
                    tools,
                    "--add-source",
                    packed.Feed,
                ]
            )
            .Succeeded();
        string untuned = packed.Run(PackedPackages.Fresh, []).Succeeded();
        Assert.Contains("32768", untuned);
        Assert.Contains("k=32: default on ", untuned);
        string tune = Path.Combine(tools, OperatingSystem.IsWindows() ? "tune.exe" : "tune");
        // A machine full of work needs longer to measure anything.
        Ran Tune(string budget) =>
            Commands.Run(
                packed.PathOf("."),
                tune,
                ["op", "matmul", "m=32", "n=32", "k=32", "--budget", budget],
                packed.User
            );
        var quick = Tune("4s");
        string tuned = quick.Code == 0 ? quick.Output : Tune("60s").Succeeded();
        Assert.Contains("matmul m=32 n=32 k=32", tuned);
        string after = packed.Run(PackedPackages.Fresh, []).Succeeded();
        Assert.Contains("32768", after);
        // A winner that did not beat the default schedule is found too, and said not to run.
        Assert.True(Regex.IsMatch(after, "k=32: exact on |the tuned record of this instance did not beat"), after);
        bool ahead = Entries("Picograd").Any(e => e.StartsWith("runtimes/"));
        if (ahead && OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64)
            Assert.Contains("runtimes/linux-x64/lib/net10.0/Picograd.Frontend.Tensor.dll", after);
    }

    [Fact]
    public void The_compilers_page_prints_a_nest_and_a_trace()
    {
        string output = packed.Run(Samples.Compiler, []).Succeeded();
        Assert.Contains("parallel", output);
        Assert.Contains("picograd-trace 1", output);
    }

    /// <summary>README's schedule by hand, from the trace that it prints, beside the default in turns.</summary>
    [Fact]
    public unsafe void The_schedule_by_hand_is_as_fast_as_the_default()
    {
        string output = packed.Run(Samples.Schedule, []).Succeeded();
        string trace = output[output.IndexOf("picograd-trace", StringComparison.Ordinal)..];
        var matmul = OperatorSpec.Parse("matmul m=96 n=128 k=64").Build();
        var backend = new CpuBackend(CpuTarget.Detect(), threads: 1);
        using var hand = backend.Compile(Trace.Parse(trace).Replay(matmul));
        using var standard = backend.Compile(DefaultSchedule.For(matmul, backend.Target));
        var memory = matmul.Arguments.Select(_ => CpuBuffer.Rent(96 * 128 * sizeof(float))).ToArray();
        foreach (var buffer in memory)
            buffer.AsSpan<float>().Fill(0.5f);
        nint[] addresses = [.. memory.Select(m => m.Address)];
        double byHand = double.MaxValue;
        double byDefault = double.MaxValue;
        fixed (nint* arguments = addresses)
        {
            // The shortest of many: what else the machine does only adds to a time. On a machine full of work it takes longer
            // until both had a quiet moment.
            for (int round = 0; round < 20_000 && (round < 400 || byHand > byDefault / 0.9); round++)
            {
                byHand = Math.Min(byHand, Microseconds(hand, arguments));
                byDefault = Math.Min(byDefault, Microseconds(standard, arguments));
            }
        }
        Assert.Equal(16f, memory[2].AsSpan<float>()[96 * 128 - 1]);
        foreach (var buffer in memory)
            buffer.Dispose();
        Assert.True(byHand <= byDefault / 0.9, $"by hand {byHand:F2} us, default {byDefault:F2} us");
    }

    private static unsafe double Microseconds(ICompiledKernel kernel, nint* arguments)
    {
        const int Calls = 20;
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int i = 0; i < Calls; i++)
            kernel.Run(arguments, null);
        return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMicroseconds / Calls;
    }
}
