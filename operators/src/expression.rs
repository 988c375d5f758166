//! SQL expressions over the columns of a frame: typed once, with the place of every mistake, then run on batches. The one
//! file of the operators that sees DataFusion, which types and compiles them.
//!
//! An expression is a function of one frame: it has no aggregates, no queries, and nothing that gives another answer at
//! another time. A frame for which it cannot be worked out (a division by zero, a number that is too large) gives null,
//! and no other frame notices.

pub use crate::wording::{ExpressionMistake, Problem};
use crate::wording::{lower, words};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{ColumnarValue, Expr, Signature, SimpleScalarUDF, TypeSignature, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr as Sql, ExprWithAlias, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    Query, Spanned, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token};
use rhumb_engine::functions::FUNCTIONS;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, LazyLock};

/// Longer texts are programs, which belong elsewhere.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// Operators and functions inside each other.
pub const EXPRESSION_DEPTH_MAX: usize = 100;

/// An expression that is right for the columns that it was compiled for.
#[derive(Debug)]
pub struct Expression {
    text: Arc<str>,
    compiled: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    data_type: DataType,
}

/// What an expression gives for the rows of a batch.
pub struct Evaluated {
    pub values: ArrayRef,
    /// Rows for which it could not be worked out, ascending, and why: their value is null.
    pub errors: Vec<(usize, String)>,
}

/// Names of all functions, for suggestions, in order.
pub fn functions() -> Vec<&'static str> {
    let mut names: Vec<&str> = SESSION.scalar_functions().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

impl Expression {
    /// Reads and types an expression over these columns.
    ///
    /// # Errors
    /// Every column and function that there is not; else the innermost part that is wrong. At least one mistake.
    pub fn compile(text: &str, columns: &[FieldRef]) -> Result<Expression, Vec<ExpressionMistake>> {
        let all =
            |what: &str| vec![ExpressionMistake { span: 0..text.len(), problem: Problem::Other(what.to_owned()) }];
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(all(&format!("longer than {EXPRESSION_BYTES_MAX} bytes; derive its parts as columns first")));
        }
        let parsed = parse(text).map_err(|mistake| vec![mistake])?;
        let site = Site::new(columns);
        let mut names = Names { site: &site, text, found: Vec::new(), depth: 0 };
        let _ = parsed.visit(&mut names);
        if !names.found.is_empty() {
            return Err(names.found);
        }
        let mut types = Types { site: &site, text, failed: site.compile(&parsed).is_err() };
        if let ControlFlow::Break(mistake) = parsed.visit(&mut types) {
            return Err(vec![mistake]);
        }
        let compiled = site.compile(&parsed).map_err(|what| all(&what))?;
        // Only the columns that it reads are put together for each batch.
        let used = collect_columns(&compiled);
        let fields: Vec<FieldRef> =
            site.fields.iter().filter(|f| used.iter().any(|c| c.name() == f.name())).cloned().collect();
        let site = Site::new(&fields);
        let compiled = site.compile(&parsed).map_err(|what| all(&what))?;
        let schema = site.schema.inner().clone();
        let data_type = compiled.data_type(&schema).map_err(|cause| all(&sentence(&cause)))?;
        let text = text.trim().replace("\r\n", " ").replace('\n', " ").into();
        Ok(Expression { text, compiled, schema, data_type })
    }

    /// As it was typed, on one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns that it reads.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Its type in words, such as `a number`.
    pub fn gives(&self) -> &'static str {
        words(&self.data_type)
    }

    /// Whether it gives true or false.
    pub fn is_condition(&self) -> bool {
        self.data_type == DataType::Boolean
    }

    /// The value for each row of a batch of `schema`. What a row gives does not depend on the others.
    pub fn evaluate(&self, rows: &RecordBatch) -> Evaluated {
        let mut errors = Vec::new();
        let values = self.values(rows, 0, &mut errors);
        Evaluated { values, errors }
    }

    /// A row that fails takes the whole batch with it: each half is then asked alone, down to that row.
    fn values(&self, rows: &RecordBatch, first: usize, errors: &mut Vec<(usize, String)>) -> ArrayRef {
        let n = rows.num_rows();
        let given = self.compiled.evaluate(rows).and_then(|values| values.into_array(n));
        match given {
            Ok(values) => values,
            Err(cause) if n <= 1 => {
                errors.push((first, sentence(&cause)));
                new_null_array(&self.data_type, n)
            }
            Err(_) => {
                let half = n / 2;
                let left = self.values(&rows.slice(0, half), first, errors);
                let right = self.values(&rows.slice(half, n - half), first + half, errors);
                concat(&[&left, &right]).expect("both halves are of the expression's type")
            }
        }
    }
}

/// All functions and operators of DataFusion, and ours.
static SESSION: LazyLock<SessionState> = LazyLock::new(|| {
    let mut session = SessionStateBuilder::new().with_default_features().build();
    for function in FUNCTIONS {
        let call = |values: &[ColumnarValue]| {
            let rows = values.iter().find_map(|value| match value {
                ColumnarValue::Array(column) => Some(column.len()),
                ColumnarValue::Scalar(_) => None,
            });
            let column = |value: &ColumnarValue| match value {
                ColumnarValue::Scalar(constant) if function.takes_constants() => constant.to_array(),
                value => value.to_array(rows.unwrap_or(1)),
            };
            let columns = values.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            let given = (function.call)(&columns);
            Ok(match rows.is_none() {
                true => ColumnarValue::Scalar(ScalarValue::try_from_array(&given, 0)?),
                false => ColumnarValue::Array(given),
            })
        };
        let takes = function.takes().into_iter().map(TypeSignature::Exact).collect();
        let signature = Signature::one_of(takes, Volatility::Immutable);
        let name = function.name.to_lowercase();
        let gives = function.gives.data_type();
        let function = SimpleScalarUDF::new_with_signature(name, signature, gives, Arc::new(call));
        session.register_udf(Arc::new(function.into())).expect("a session takes functions of new names");
    }
    session
});

/// The columns that an expression may read.
struct Site {
    fields: Vec<FieldRef>,
    schema: Arc<DFSchema>,
}

impl Site {
    fn new(columns: &[FieldRef]) -> Site {
        // Texts that repeat are texts.
        let plain = |field: &FieldRef| match field.data_type() {
            DataType::Dictionary(_, value) => Arc::new(field.as_ref().clone().with_data_type(value.as_ref().clone())),
            _ => field.clone(),
        };
        let fields: Vec<FieldRef> = columns.iter().map(plain).collect();
        let schema = DFSchema::try_from(Schema::new(fields.clone())).expect("no two columns of frames share a name");
        Site { fields, schema: Arc::new(schema) }
    }

    /// Types a part and compiles it; the error is a sentence.
    fn compile(&self, part: &Sql) -> Result<Arc<dyn PhysicalExpr>, String> {
        let compile = || {
            let alone = ExprWithAlias { expr: part.clone(), alias: None };
            let planned = SESSION.create_logical_expr_from_sql_expr(alone, &self.schema)?;
            refuse(&planned)?;
            let context = SimplifyContext::builder()
                .with_schema(self.schema.clone())
                .with_config_options(SESSION.config_options().clone())
                .build();
            let simplifier = ExprSimplifier::new(context);
            let simple = simplifier.simplify(simplifier.coerce(planned, &self.schema)?)?;
            let compiled = SESSION.create_physical_expr(simple, &self.schema)?;
            compiled.data_type(self.schema.as_arrow())?;
            compiled.transform_up(|part| Ok(no_wrapping(part))).map(|compiled| compiled.data)
        };
        compile().map_err(|cause: DataFusionError| sentence(&cause))
    }

    fn type_of(&self, part: &Sql) -> Option<DataType> {
        self.compile(part).ok()?.data_type(self.schema.as_arrow()).ok()
    }

    fn words_of(&self, part: &Sql) -> Option<&'static str> {
        self.type_of(part).map(|data_type| words(&data_type))
    }
}

/// A sum that is too large is an error, not some other number.
fn no_wrapping(part: Arc<dyn PhysicalExpr>) -> Transformed<Arc<dyn PhysicalExpr>> {
    let Some(binary) = part.downcast_ref::<BinaryExpr>() else { return Transformed::no(part) };
    let strict = BinaryExpr::new(binary.left().clone(), *binary.op(), binary.right().clone());
    Transformed::yes(Arc::new(strict.with_fail_on_overflow(true)))
}

/// What is SQL, and no function of one frame.
fn refuse(planned: &Expr) -> Result<(), DataFusionError> {
    let mut what = None;
    planned.apply(|part| {
        use datafusion::common::tree_node::TreeNodeRecursion::{Continue, Stop};
        let over_many = |name: &str| {
            format!("{name} is over many frames, and an expression sees one; write an [operator.window] for it")
        };
        what = match part {
            Expr::AggregateFunction(aggregate) => Some(over_many(aggregate.func.name())),
            Expr::WindowFunction(window) => Some(over_many(window.fun.name())),
            Expr::ScalarFunction(scalar) if scalar.func.signature().volatility != Volatility::Immutable => {
                Some(format!(
                    "{} gives another value each time, and the same frames must give the same result; event_time and \
                     received_at are the times of a frame",
                    scalar.func.name()
                ))
            }
            Expr::Placeholder(_) => Some("nothing is put in the place of a parameter; write the value".to_owned()),
            _ => None,
        };
        Ok(if what.is_some() { Stop } else { Continue })
    })?;
    what.map_or(Ok(()), |what| Err(DataFusionError::Plan(what)))
}

fn parse(text: &str) -> Result<Sql, ExpressionMistake> {
    let wrong = |span: Range<usize>, what: String| ExpressionMistake { span, problem: Problem::Other(what) };
    let of_parser = |cause: datafusion::sql::sqlparser::parser::ParserError| {
        let told = cause.to_string();
        let told = told.trim_start_matches("sql parser error: ");
        let told = told.replacen("Expected: ", "expected ", 1);
        let (what, place) = told.split_once(" at Line: ").unwrap_or((&told, ""));
        let mut numbers = place.split(", Column: ").map(|number| number.trim().parse::<u64>().unwrap_or(0));
        let at = Location { line: numbers.next().unwrap_or(0), column: numbers.next().unwrap_or(0) };
        let from = if at.line == 0 { text.len() } else { offset(text, at) };
        let what = match what.split_once(", found: EOF") {
            Some((what, _)) => format!("it ends too soon: {}", lower(what)),
            None => lower(what),
        };
        wrong(from..text.len(), what)
    };
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).map_err(of_parser)?;
    let parsed = parser.parse_expr().map_err(of_parser)?;
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(parsed),
        token => Err(wrong(
            bytes(text, next.span),
            format!("the expression ends before {token}; join it by AND or OR, or remove it"),
        )),
    }
}

/// Finds all names that there are not.
struct Names<'a> {
    site: &'a Site,
    text: &'a str,
    found: Vec<ExpressionMistake>,
    depth: usize,
}

impl Names<'_> {
    fn wrong(&mut self, span: Span, problem: Problem) {
        self.found.push(ExpressionMistake { span: bytes(self.text, span), problem });
    }
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.wrong(query.span(), Problem::Other("a query inside an expression, which sees one frame alone".to_owned()));
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, part: &Sql) -> ControlFlow<()> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let what = format!(
                "more than {EXPRESSION_DEPTH_MAX} operators inside each other; write IN (..), or derive parts of it"
            );
            self.found.clear();
            self.wrong(Span::empty(), Problem::Other(what));
            return ControlFlow::Break(());
        }
        match part {
            Sql::Identifier(ident) => {
                let name = name_of(ident);
                if !self.site.fields.iter().any(|field| *field.name() == name) {
                    self.wrong(ident.span, Problem::UnknownColumn { name, is_quoted: ident.quote_style.is_some() });
                }
            }
            Sql::CompoundIdentifier(_) => {
                let what = "a dot between names: there are no tables here, write the name of a column alone";
                self.wrong(part.span(), Problem::Other(what.to_owned()));
            }
            Sql::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                let known = SESSION.scalar_functions().contains_key(&name)
                    || SESSION.aggregate_functions().contains_key(&name)
                    || SESSION.window_functions().contains_key(&name);
                if !known {
                    self.wrong(function.name.span(), Problem::UnknownFunction(function.name.to_string()));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Sql) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

/// Finds the innermost part that is wrong.
struct Types<'a> {
    site: &'a Site,
    text: &'a str,
    /// The whole cannot be compiled.
    failed: bool,
}

impl Visitor for Types<'_> {
    type Break = ExpressionMistake;

    fn post_visit_expr(&mut self, part: &Sql) -> ControlFlow<ExpressionMistake> {
        let what = match mixed(self.site, part) {
            Some(what) => what,
            None if !self.failed => return ControlFlow::Continue(()),
            None => match self.site.compile(part) {
                Ok(_) => return ControlFlow::Continue(()),
                Err(what) => in_words(self.site, part).unwrap_or(what),
            },
        };
        let span = match part {
            Sql::Function(function) => function.name.span(),
            _ => part.span(),
        };
        ControlFlow::Break(ExpressionMistake { span: bytes(self.text, span), problem: Problem::Other(what) })
    }
}

/// A comparison of texts with numbers: SQL would compare what they look like.
fn mixed(site: &Site, part: &Sql) -> Option<String> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let pairs: Vec<(&Sql, &Sql)> = match part {
        Sql::BinaryOp { left, op: Eq | NotEq | Gt | GtEq | Lt | LtEq, right } => vec![(left, right)],
        Sql::InList { expr, list, .. } => list.iter().map(|one| (&**expr, one)).collect(),
        Sql::Between { expr, low, high, .. } => vec![(expr, low), (expr, high)],
        _ => return None,
    };
    let differ = |(left, right): &(&Sql, &Sql)| {
        let (left, right) = (site.type_of(left)?, site.type_of(right)?);
        let is_text = |of: &DataType| words(of) == "a text";
        let differs = is_text(&left) && right.is_numeric() || is_text(&right) && left.is_numeric();
        differs.then(|| (words(&left), words(&right)))
    };
    let (left, right) = pairs.iter().find_map(differ)?;
    Some(format!(
        "compares {left} with {right}; write texts in single quotes and numbers without, or cast(.. as double)"
    ))
}

/// What is wrong with the types of a part, where its own parts are right.
fn in_words(site: &Site, part: &Sql) -> Option<String> {
    match part {
        Sql::BinaryOp { left, op, right } => {
            let (left, right) = (site.words_of(left)?, site.words_of(right)?);
            Some(format!("{op} cannot take {left} and {right}"))
        }
        Sql::UnaryOp { op, expr } => Some(format!("{op} cannot take {}", site.words_of(expr)?)),
        Sql::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let takes = SESSION.scalar_functions().get(&name)?;
            if takes.signature().volatility != Volatility::Immutable {
                return None;
            }
            let given = arguments(function)?.into_iter().map(|part| site.words_of(part)).collect::<Option<Vec<_>>>()?;
            let given = if given.is_empty() { "nothing".to_owned() } else { given.join(", ") };
            let usage = FUNCTIONS.iter().find(|f| f.name.eq_ignore_ascii_case(&name));
            let usage = usage.map_or(String::new(), |f| format!("; write {}", f.usage()));
            Some(format!("{} cannot take {given}{usage}", function.name))
        }
        _ => None,
    }
}

fn arguments(function: &Function) -> Option<Vec<&Sql>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args.iter().map(argument).collect()
}

fn argument(argument: &FunctionArg) -> Option<&Sql> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// The name of a column as SQL reads it: without capitals, unless it is quoted.
fn name_of(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// An error of DataFusion in one line, without where in DataFusion it arose.
fn sentence(cause: &DataFusionError) -> String {
    let told = cause.find_root().strip_backtrace();
    let told = told.split("\n\n").next().unwrap_or_default().lines().next().unwrap_or_default();
    let plain = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Optimizer rule 'simplify_expressions' failed",
    ];
    lower(plain.iter().fold(told, |told, prefix| told.trim_start_matches(prefix)).trim_end_matches(" error"))
}

fn bytes(text: &str, span: Span) -> Range<usize> {
    if span.start.line == 0 {
        return 0..text.len();
    }
    let start = offset(text, span.start);
    start..offset(text, span.end).max(start)
}

/// Lines and columns count from 1, columns in characters.
fn offset(text: &str, at: Location) -> usize {
    let line: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1) as usize).map(str::len).sum();
    let column = at.column.saturating_sub(1) as usize;
    text[line..].char_indices().nth(column).map_or(text.len(), |(at, _)| line + at)
}
