using System.Collections.Immutable;
using System.Text;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>One kernel: its signature, shared buffers, coordinates, and statements.</summary>
internal sealed class KernelWriter(
    LoopNest nest,
    ParsedKernel kernel,
    ImmutableArray<Buffer> workspace,
    GpuInfo gpu,
    HashSet<string> functions,
    Dictionary<Buffer, int> alignments,
    CudaEmitOptions options
)
{
    private readonly List<string> _parameters = [];
    private readonly List<CudaArgument> _arguments = [];

    public long SharedBytes { get; private set; }

    public ImmutableArray<CudaArgument> Arguments => [.. _arguments];

    public string Write(string name)
    {
        var names = new NameTable();
        names.Fresh(name);
        var context = new KernelContext(names, new(nest.ParameterRanges), functions, alignments, gpu, options)
        {
            Threads = kernel.ThreadCount,
        };
        // Index arithmetic of the whole kernel is declared behind the coordinates, ahead of the statements.
        var prologue = new CodeText();
        var coordinates = new List<(Var Var, string Line)>();
        var hoisted = new HoistScope(new CodeText(), new(ReferenceEqualityComparer.Instance), []);
        context.Scopes.Add(hoisted);
        Buffers(context);
        TensorMaps(context);
        SymbolicExtents(context, coordinates, hoisted);
        Shared(context, prologue);
        Coordinates(context, kernel, coordinates, hoisted);
        var statements = new CodeText();
        new StmtWriter(context, statements).Write(kernel.Body);
        foreach (var (v, line) in coordinates)
        {
            if (context.IsUsed(v))
                prologue.Line(line);
        }

        var text = new StringBuilder();
        // Warps hand registers on within what the kernel has at its start, and that the compiler knows only where it is told the
        // number of blocks a multiprocessor holds.
        string? least =
            MinBlocks()
            ?? (kernel.Body.Nodes().Any(s => s is DeviceOp { Instruction.MovesRegisters: true }) ? "1" : null);
        string blocks = least is null ? "" : $", {least}";
        text.Append($"extern \"C\" __global__ void __launch_bounds__({kernel.ThreadCount}{blocks})\n");
        text.Append($"{name}({string.Join(", ", _parameters)}) {{\n");
        prologue.Write(text, 1);
        hoisted.Prologue.Write(text, 1);
        statements.Write(text, 1);
        return text.Append("}\n").ToString();
    }

    private void Buffers(KernelContext context)
    {
        var used = new KernelBuffers(kernel.Body);
        var all = used.All.ToHashSet();
        foreach (var buffer in nest.Algorithm.Arguments.Concat(workspace).Where(all.Contains))
        {
            var place = context.Put(buffer, PlaceKind.Device);
            string constant = used.Written.Contains(buffer) ? "" : "const ";
            string restrict = used.MayBeOneMemory(buffer) ? "" : "__restrict__ ";
            _parameters.Add($"{constant}{CText.Stored(buffer.Type)}* {restrict}{place.Name}");
            _arguments.Add(new BufferArgument(buffer));
        }
    }

    // Of the address that a tensor map is of.
    private const int BulkAlignment = 16;

    // By value and in constant memory, which is where the hardware reads them.
    private void TensorMaps(KernelContext context)
    {
        foreach (var map in TensorMap.In(kernel.Body))
        {
            string name = context.Names.Fresh(map.Buffer.Name + "_map");
            context.Maps.Add(map, name);
            context.Touch(map.Buffer, BulkAlignment);
            _parameters.Add($"const __grid_constant__ {context.Use("CUtensorMap")} {name}");
            _arguments.Add(map.ToArgument());
        }
    }

    private void SymbolicExtents(KernelContext context, List<(Var, string)> coordinates, HoistScope scope)
    {
        var used = kernel
            .Blocks.Select(b => b.Extent)
            .Concat(Expressions(kernel.Body))
            .SelectMany(e => e.FreeVars())
            .ToHashSet();
        foreach (var parameter in nest.Algorithm.Parameters.Where(p => used.Contains(p.Var)))
        {
            string name = context.Declare(parameter.Var, parameter.Name, new Interval(parameter.Min, parameter.Max));
            _arguments.Add(new ParameterArgument(parameter.Var));
            scope.Vars.Add(parameter.Var);
            if (context.TypeOf(parameter.Var) == "int")
            {
                string given = context.Names.Fresh(name + "_value");
                _parameters.Add($"const long long {given}");
                coordinates.Add((parameter.Var, $"const int {name} = (int){given};"));
            }
            else
            {
                _parameters.Add($"const long long {name}");
            }
        }
    }

    private void Shared(KernelContext context, CodeText prologue)
    {
        if (kernel.Shared.IsEmpty)
            return;
        var layout = new SharedLayout(kernel, gpu);
        SharedBytes = layout.Bytes;
        prologue.Line("extern __shared__ __align__(1024) unsigned char shared[];");
        foreach (var buffer in kernel.Shared)
        {
            string name = context.Put(buffer, PlaceKind.Shared).Name;
            string type = CText.Stored(buffer.Type);
            prologue.Line($"{type}* const {name} = ({type}*)(shared + {layout.OffsetOf(buffer)});");
        }
    }

    private static void Coordinates(
        KernelContext context,
        ParsedKernel kernel,
        List<(Var, string)> coordinates,
        HoistScope scope
    )
    {
        foreach (var block in kernel.Blocks)
        {
            string value = block.Kind switch
            {
                LoopKind.Cluster => kernel.ClusterSize > 1 ? $"(int){context.Use("cluster_rank")}()" : "0",
                LoopKind.BlockX when kernel.ClusterSize > 1 => $"blockIdx.x / {kernel.ClusterSize}",
                var kind => "blockIdx." + kind.Text()[^1..],
            };
            Coordinate(block, value);
        }
        Coordinate(kernel.Threads, "threadIdx.x");
        context.ThreadVar = kernel.Threads.Var;

        void Coordinate(For loop, string value)
        {
            long max = context.RangeOf(loop.Extent).Max;
            string name = context.Declare(
                loop.Var,
                StmtWriter.ShortName(loop.Var),
                new Interval(0, Math.Max(0, max - 1))
            );
            scope.Vars.Add(loop.Var);
            coordinates.Add((loop.Var, $"const int {name} = {value};"));
        }
    }

    // The second number of launch bounds: how many blocks of a multiprocessor the registers must suffice for.
    private string? MinBlocks() =>
        kernel
            .Blocks.Append(kernel.Threads)
            .Select(l => l.Annotations.GetValueOrDefault("min_blocks"))
            .FirstOrDefault(v => v is not null);

    private static IEnumerable<Expr> Expressions(Stmt body)
    {
        var all = new List<Expr>();
        body.MapExprs(e =>
        {
            all.Add(e);
            return e;
        });
        foreach (var allocate in body.Nodes().OfType<Allocate>())
            all.AddRange(allocate.Buffer.Shape);
        // Extents of symbolic buffers are part of every offset into them.
        foreach (var buffer in new KernelBuffers(body).All.Where(b => b.Strides.IsDefault))
            all.AddRange(buffer.Shape.Skip(1));
        return all;
    }
}
