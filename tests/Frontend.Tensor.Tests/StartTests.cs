using System.Diagnostics;
using System.Globalization;
using System.Reflection.PortableExecutable;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// What the start of a program costs, as counts that do not depend on how busy the machine is: methods that .NET compiles while it
/// runs (0.1 ms each) and bytes that the compiler allocates.
/// </summary>
public class StartTests
{
    // On 2026-11-30: 253 and 360 methods; 11.4 and 105 MiB. A third of the bytes of the step, and about half of those of the product, go into
    // kernels that fill tensors with random numbers: in vectors, which run 3.7 times as fast as scalars and are four times the work for
    // the compiler. Next are register tiles of products and the analysis of vector loops.
    private const int MethodsOfProduct = 300;
    private const int MethodsOfStep = 450;
    private const int KibibytesOfProduct = 12_800;
    private const int KibibytesOfStep = 118_000;

    [SkippableFact]
    public void A_first_product_and_a_first_step_leave_little_to_the_jit()
    {
        var (product, step) = (Counts("product"), Counts("step"));
        Assert.True(product.Kibibytes < KibibytesOfProduct, $"first product: {product.Kibibytes} KiB allocated");
        Assert.True(step.Kibibytes < KibibytesOfStep, $"first step: {step.Kibibytes} KiB allocated");
        Skip.IfNot(IsCompiledAhead, "the library is not compiled ahead of time in this build");
        Assert.True(product.Methods < MethodsOfProduct, $"first product: {product.Methods} methods compiled");
        Assert.True(step.Methods < MethodsOfStep, $"first step: {step.Methods} methods compiled");
    }

    private static (int Methods, int Kibibytes) Counts(string what)
    {
        string[] line = Output.Value.Split('\n').Select(l => l.Split(' ')).First(l => l[0] == what);
        return (int.Parse(line[2], CultureInfo.InvariantCulture), int.Parse(line[4], CultureInfo.InvariantCulture));
    }

    private static readonly Lazy<string> Output = new(() =>
    {
        string dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host
            ? host
            : "dotnet";
        var info = new ProcessStartInfo(dotnet, ["exec", typeof(StartProgram).Assembly.Location])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // On one processor nothing is made beside, of which more or less might be done by then; and no database.
        info.Environment["DOTNET_PROCESSOR_COUNT"] = "1";
        info.Environment["PICOGRAD_TUNEDB"] = "";
        info.Environment["XDG_DATA_HOME"] = Path.Combine(Path.GetTempPath(), "picograd-start-tests-no-such-folder");
        using var process = Process.Start(info)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"left with status {process.ExitCode}: {errors.Result}");
        return output;
    });

    private static bool IsCompiledAhead
    {
        get
        {
            using var reader = new PEReader(File.OpenRead(typeof(Tensor).Assembly.Location));
            return reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
        }
    }
}
