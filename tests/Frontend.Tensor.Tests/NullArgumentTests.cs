using System.Reflection;
using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Every public method, operator and constructor of the front end whose parameters may not be null, called with null for each
/// of them in turn: ArgumentNullException that names it.
/// </summary>
public class NullArgumentTests
{
    private static readonly NullabilityInfoContext Nullability = new();

    public static TheoryData<string, int> Parameters()
    {
        var data = new TheoryData<string, int>();
        foreach (var method in Methods())
        {
            var parameters = method.GetParameters();
            for (int i = 0; i < parameters.Length; i++)
            {
                if (IsRequired(parameters[i]))
                    data.Add(Name(method), i);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Parameters))]
    public void IsNamed(string name, int at)
    {
        var method = Methods().First(m => Name(m) == name);
        var parameters = method.GetParameters();
        object?[] arguments = [.. parameters.Select(Sample)];
        arguments[at] = null;
        var error = Record.Exception(() =>
        {
            object? on = method.IsStatic || method is ConstructorInfo ? null : Instance(method.DeclaringType!);
            _ = method is ConstructorInfo constructor ? constructor.Invoke(arguments) : method.Invoke(on, arguments);
        });
        var inner = error is TargetInvocationException wrapped ? wrapped.InnerException : error;
        var refused = Assert.IsType<ArgumentNullException>(inner);
        Assert.Equal(parameters[at].Name, refused.ParamName);
    }

    [Fact]
    public void ElementsOfListsAreNamedToo()
    {
        var a = Tensor.Ones(2);
        foreach (
            var run in new Action[]
            {
                () => Tensor.Cat([a, null!]),
                () => Tensor.Cat([null!, a]),
                () => Tensor.Stack([null!]),
                () => Tensor.Stack([a, null!], 1),
            }
        )
        {
            var error = Assert.Throws<ArgumentNullException>(run);
            Assert.Equal("tensors", error.ParamName);
            Assert.Matches(@"tensors\[[01]\] is null", error.Message);
        }
    }

    // Those of tensors and functions of tensors; not of property setters of records and the like.
    private static IEnumerable<MethodBase> Methods()
    {
        const BindingFlags Public =
            BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        foreach (
            var type in new[]
            {
                typeof(Tensor),
                typeof(F),
                typeof(Linear),
                typeof(Embedding),
                typeof(Tanh),
                typeof(ReLU),
            }
        )
        {
            foreach (var method in type.GetMethods(Public).Cast<MethodBase>().Concat(type.GetConstructors()))
            {
                if (!method.ContainsGenericParameters && !method.GetParameters().Any(p => IsSpan(p.ParameterType)))
                    yield return method;
            }
        }
    }

    private static bool IsSpan(Type type) => type.IsByRefLike || type.IsByRef;

    private static bool IsRequired(ParameterInfo p) =>
        !p.ParameterType.IsValueType && Nullability.Create(p).WriteState == NullabilityState.NotNull;

    private static string Name(MethodBase method) =>
        $"{method.DeclaringType!.Name}.{method.Name}({string.Join(", ", method.GetParameters().Select(p => p.ParameterType.Name))})";

    private static object Instance(Type type) =>
        type == typeof(Tensor) ? Tensor.Ones(2, 2)
        : type == typeof(Linear) ? new Linear(2, 2)
        : type == typeof(Embedding) ? new Embedding(2, 2)
        : type == typeof(ReLU) ? new ReLU()
        : Activator.CreateInstance(type)!;

    private static object? Sample(ParameterInfo p)
    {
        var type = Nullable.GetUnderlyingType(p.ParameterType) ?? p.ParameterType;
        return type == typeof(Tensor) ? Tensor.Ones(2, 2)
            : type == typeof(Scalar) ? (Scalar)1
            : type == typeof(string) ? "cpu"
            : type == typeof(DType) ? DType.Float32
            : type == typeof(Generator) ? new Generator(1)
            : p.HasDefaultValue && p.DefaultValue is not null ? p.DefaultValue
            : type == typeof(int) ? 0
            : type == typeof(long) ? 1L
            : type == typeof(double) ? 1.0
            : type.IsValueType ? Activator.CreateInstance(type)
            : null;
    }
}
